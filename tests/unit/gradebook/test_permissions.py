"""The one table of permissions: nothing else decides who may act, and the table decides nothing in
vain.
"""

import ast
import contextlib
import json
from collections.abc import Iterator, Set
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from cli.output import Output
from services.common.errors import Forbidden
from services.gradebook.api import act_access
from services.gradebook.model import catalogue, correction_rules, lifecycle, permissions
from services.gradebook.model.catalogue import PREPARERS, Preparer, SignatoryRole
from services.gradebook.model.correction_rules import CorrectionAct, CorrectionState, Progress, offices
from services.gradebook.model.domain import RecordType, Role, SchoolLevel
from services.gradebook.model.lifecycle import BookState, Life
from services.gradebook.model.movement_rules import PERMISSIONS, MovementKind
from services.gradebook.model.permissions import CLIENTS, SCHOOL_ROLES, Actor, Group, Permission, capacities, check

GRADEBOOK = Path(permissions.__file__).parents[1]
TABLE = GRADEBOOK / "model" / "permissions.py"
FACT_READERS = {"capacities", "is_eligible", "board"}
"""Functions of the table that take the roles of a person."""

OF_ROLE = {
    "model/domain.py": "defines them",
    "model/roster_rules.py": "accepts no other number as a role",
    "roster/roster.py": "names the roles given in the audit row",
}
"""Who knows `Role` besides the table, and what for."""
ROLES_HELD = {
    "roster/standing.py": "announces them to the other services",
    "model/roster_rules.py": "checks the roles that a vendor sends",
    "roster/roster.py": "names the roles given in the audit row",
    "roster/roster_store.py": "stores them",
    "api/roster_service.py": "converts them from and to messages",
    "authority/dossiers.py": "keeps who was in charge with which roles, which the board of a dossier is read from",
}
"""Who reads the roles of a person without asking the table, and what for."""
FORBIDDEN = {
    "roster/access.py": "the vendor of the school year, the school of the token, people unknown to the school",
    "register/student_register.py": "data of a student who went to another school",
    "model/correction_rules.py": "the right office in person, but with a part in the correction already",
}
"""Who refuses with Forbidden besides the table, and what."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(GRADEBOOK.rglob("*.py")):
        if path != TABLE:
            yield path.relative_to(GRADEBOOK).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def attributes(tree: ast.Module, of: str) -> Iterator[str]:
    """The names X of `of.X`, also of `module.of.X`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            if name == of:
                yield node.attr


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield getattr(node.func, "id", getattr(node.func, "attr", "")), node


def test_no_other_module_names_a_role_or_an_actor_that_is_one() -> None:
    roles = {role.name for role in Role}
    named, known = [], set()
    for path, tree in modules():
        named += [(path, name) for of in ("Role", "Actor") for name in attributes(tree, of) if name in roles]
        if any(_is_role(node) for node in ast.walk(tree)):
            known.add(path)
    assert named == []
    assert known == set(OF_ROLE)


def _is_role(node: ast.AST) -> bool:
    """Whether this is a mention of `Role`; `SignatoryRole` and `SubjectRole` are other things."""
    if isinstance(node, ast.Name):
        return node.id == "Role"
    return isinstance(node, ast.alias | ast.ClassDef) and node.name == "Role"


def test_no_other_module_compares_the_roles_of_a_person() -> None:
    """Roles are handed to the table as they are."""
    reading = set()
    for path, tree in modules():
        handed = {id(part) for name, call in calls(tree) if name in FACT_READERS for part in call.args}
        if any(
            isinstance(node, ast.Attribute) and node.attr == "roles" and id(node) not in handed
            for node in ast.walk(tree)
        ):
            reading.add(path)
    assert reading == set(ROLES_HELD)


def test_no_other_module_refuses_a_person_or_writes_the_words_of_it() -> None:
    refusing, written = set(), []
    sentences = {permission.value.refusal for permission in Permission} - {""}
    reasons = {permission.value.reason for permission in Permission} - {""}
    for path, tree in modules():
        refusing |= {path for name, _ in calls(tree) if name == "Forbidden"}
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if text in reasons or "chỉ dành cho" in text or any(sentence in text for sentence in sentences):
                written.append((path, text))
    assert refusing == set(FORBIDDEN)
    assert written == []


def test_every_row_is_used_where_it_decides_and_no_other_is() -> None:
    """A person's act is checked inside a use case or a life cycle, a client's at the edge."""
    inside, edge = set(), set()
    for path, tree in modules():
        if path != "model/control_log_words.py":
            (edge if path.startswith("api/") else inside).update(attributes(tree, "Permission"))
    clients = {permission.name for permission in Permission if permission.value.actors <= CLIENTS}
    system = {permission.name for permission in Permission if permission.value.actors == {Actor.SYSTEM}}
    everything = set(Permission.__members__)
    assert inside == everything - clients
    assert edge == everything - system


def test_an_rpc_that_acts_takes_its_clients_from_the_table() -> None:
    """What is not a read names permissions; in an import each sheet carries its teacher's token."""
    reads = ("Get", "List", "Review", "Download", "ExportMarks", "ImportMarks")
    tables = 0
    for path, tree in modules():
        for node in tree.body:
            if not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ACCESS"):
                continue
            tables += 1
            assert isinstance(node.value, ast.Dict)
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                assert isinstance(key, ast.Constant)
                from_table = isinstance(value, ast.Call) and ast.unparse(value.func) == "access_for"
                assert from_table is not str(key.value).startswith(reads), (path, key.value)
    assert tables == 11


def test_the_client_of_an_act_follows_from_its_actors() -> None:
    for permission in Permission:
        access = act_access.access_for(permission)
        by_client = permission.value.actors & CLIENTS
        assert access.person is not bool(by_client), permission
        assert access.clients == (("operator/department",) if Actor.DEPARTMENT in by_client else ("vendor/*",))


@given(st.sampled_from(Permission), st.frozensets(st.sampled_from(Actor)))
def test_exactly_the_listed_may_act(permission: Permission, actors: frozenset[Actor]) -> None:
    if actors & permission.value.actors:
        check(permission, actors)
        return
    with pytest.raises(Forbidden) as caught:
        check(permission, actors, person="gv")
    assert (caught.value.reason, caught.value.message) == (permission.value.reason, permission.value.refusal)
    assert caught.value.facts == {"person": "gv"}


def granting(monkeypatch: pytest.MonkeyPatch, permission: Permission, *actors: Actor, stand_ins: Set[Actor]) -> None:
    """Replace who has a permission in the table."""
    grant = replace(permission.value, actors=frozenset(actors), stand_ins=frozenset(stand_ins))
    monkeypatch.setattr(permission, "_value_", grant)


@pytest.mark.parametrize("actor", Actor)
@pytest.mark.parametrize("act", lifecycle.BookAct)
def test_the_life_of_a_book_follows_its_row(
    monkeypatch: pytest.MonkeyPatch, act: lifecycle.BookAct, actor: Actor
) -> None:
    granting(monkeypatch, lifecycle.RULES[act].permission, actor, stand_ins=set())
    lifecycle.check_actor(act, {actor})
    with pytest.raises(Forbidden) as caught:
        lifecycle.step(Life(BookState.DATA_COMPLETE), act, set(Actor) - {actor})
    assert caught.value.reason == lifecycle.RULES[act].permission.value.reason


IN_CORRECTIONS = (*SCHOOL_ROLES, Actor.HOMEROOM_TEACHER, Actor.REQUESTER)
CORRECTION_STATES = {CorrectionAct.APPROVE: CorrectionState.CONFIRMED}


@pytest.mark.parametrize("actor", IN_CORRECTIONS)
@pytest.mark.parametrize("act", CorrectionAct)
def test_the_life_of_a_correction_follows_its_row(
    monkeypatch: pytest.MonkeyPatch, act: CorrectionAct, actor: Actor
) -> None:
    """Each capacity is that of one person; whom the row lists can make the step, nobody else."""
    granting(monkeypatch, correction_rules.RULES[act].permission, actor, stand_ins=set())
    office = offices(Actor.HOMEROOM_TEACHER.name, Actor.REQUESTER.name, lambda role: {Role(role).name})
    progress = Progress(CORRECTION_STATES.get(act, CorrectionState.REQUESTED), Actor.REQUESTER.name, "người xác nhận")
    for other in IN_CORRECTIONS:
        if other is actor:
            assert correction_rules.step(progress, act, other.name, office) is correction_rules.RULES[act].target
            continue
        with pytest.raises(Forbidden) as caught:
            correction_rules.step(progress, act, other.name, office)
        assert caught.value.reason == "ROLE_REQUIRED"


@pytest.mark.parametrize("actor", IN_CORRECTIONS)
@pytest.mark.parametrize("act", [CorrectionAct.CONFIRM, CorrectionAct.APPROVE, CorrectionAct.REJECT])
def test_who_stands_in_follows_the_row(monkeypatch: pytest.MonkeyPatch, act: CorrectionAct, actor: Actor) -> None:
    """The only holder of the office requested, so that the stand-in of the row acts."""
    permission = correction_rules.RULES[act].permission
    granting(monkeypatch, permission, Actor.REQUESTER, stand_ins={actor})
    office = offices(Actor.HOMEROOM_TEACHER.name, Actor.REQUESTER.name, lambda role: {Role(role).name})
    progress = Progress(CORRECTION_STATES.get(act, CorrectionState.REQUESTED), Actor.REQUESTER.name, "người xác nhận")
    acting = set()
    for other in IN_CORRECTIONS:
        with contextlib.suppress(Forbidden):
            correction_rules.step(progress, act, other.name, office)
            acting.add(other)
    assert acting == {actor}


@pytest.mark.parametrize("who", Preparer)
@pytest.mark.parametrize("record_type", RecordType)
def test_who_prepares_a_book_follows_the_catalogue(
    monkeypatch: pytest.MonkeyPatch, record_type: RecordType, who: Preparer
) -> None:
    monkeypatch.setitem(cast("dict[RecordType, Preparer]", PREPARERS), record_type, who)
    actor = permissions.PREPARING[who]
    assert permissions.preparer_of(record_type, {actor, Actor.TEACHER}) == {Actor.PREPARER}
    assert permissions.preparer_of(record_type, set(Actor) - {actor}) == set()


def test_the_department_appoints_principals_and_no_other_person() -> None:
    assert (
        permissions.department_puts([[Role.PRINCIPAL], [Role.TEACHER, Role.PRINCIPAL]]) is Permission.APPOINT_PRINCIPAL
    )
    for role in set(Role) - {Role.PRINCIPAL}:
        permission = permissions.department_puts([[Role.PRINCIPAL], [role]])
        with pytest.raises(Forbidden):
            check(permission, {Actor.DEPARTMENT})


def test_who_is_in_charge_is_named_by_the_approved_dossier() -> None:
    assert permissions.in_charge("pht", None)
    assert permissions.in_charge("pht", {"pht": [2]})
    assert not permissions.in_charge("pht", {"ht": [1]})


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_a_role_alone_has_the_permissions_that_list_it(permission: Permission, role: Role) -> None:
    try:
        check(permission, capacities([role]))
        allowed = True
    except Forbidden:
        allowed = False
    assert allowed is (role in {SCHOOL_ROLES.get(actor) for actor in permission.value.actors})


def test_a_relation_goes_to_holders_of_its_role_only() -> None:
    for role in Role:
        in_charge = Actor.VICE_PRINCIPAL_IN_CHARGE in capacities([role], in_charge=True)
        assert in_charge is (role is Role.VICE_PRINCIPAL)
        assert Actor.VICE_PRINCIPAL_IN_CHARGE not in capacities([role])
        assert permissions.is_eligible(Actor.OFFICER, [role]) is (role is Role.DATA_OFFICER)
        assert permissions.is_eligible(Actor.PREPARER, [role]) is (role is Role.SEAL_CUSTODIAN)


def test_life_cycles_and_movements_have_a_row_for_every_act() -> None:
    assert set(lifecycle.RULES) == set(lifecycle.BookAct)
    assert len({rule.permission for rule in lifecycle.RULES.values()}) == len(lifecycle.BookAct)
    assert set(PERMISSIONS) == set(MovementKind)


def test_refusals_are_word_for_word_what_clients_know() -> None:
    words = {
        Permission.CLOSE_WINDOW: "Việc này chỉ dành cho: Hiệu trưởng.",
        Permission.SAVE_DOSSIER: "Việc này chỉ dành cho: ban giám hiệu, cán bộ phụ trách CSDL.",
        Permission.CHECK_CONTROL_LOG: "Việc này chỉ dành cho: Hiệu trưởng, Phó Hiệu trưởng được phân công phụ trách.",
        Permission.REGISTER_STUDENTS: "Việc này chỉ dành cho: Văn thư, Cán bộ phụ trách CSDL.",
        Permission.RECORD_MOVEMENT: "Việc này chỉ dành cho: Hiệu trưởng, Cán bộ phụ trách CSDL.",
        Permission.ENTER_CONDUCT: "Việc này chỉ dành cho giáo viên chủ nhiệm của lớp.",
        Permission.CONFIRM_CORRECTION: "Việc này chỉ dành cho: giáo viên chủ nhiệm của lớp.",
        Permission.WITHDRAW_CORRECTION: "Việc này chỉ dành cho: người đã đề nghị.",
        Permission.ENTER_MARKS: "Giáo viên không được phân công dạy môn này ở lớp này.",
        Permission.FREEZE_BOOK: "Việc này chỉ dành cho: người lập sổ.",
        Permission.PRINT_BOOK: "Việc này chỉ dành cho: hệ thống.",
        Permission.REPORT_MISMATCH: "Việc này chỉ dành cho: cán bộ được phân công in và đối chiếu,"
        " giáo viên bộ môn của lớp, người lập sổ.",
    }
    assert {permission: permission.value.refusal for permission in words} == words
    with pytest.raises(Forbidden) as caught:
        lifecycle.check_actor(lifecycle.BookAct.CONFIRM, {Actor.PRINCIPAL})
    assert caught.value.facts == {"act": "CONFIRM", "required": "OFFICER,PREPARER"}


def test_preparers_and_signers_are_those_of_the_catalogue_in_every_year() -> None:
    for year in ("2025-2026", "2026-2027"):
        for level in (SchoolLevel.LOWER_SECONDARY, SchoolLevel.UPPER_SECONDARY):
            for record in catalogue.record_books(year, level):
                assert record.preparer is PREPARERS[record.record_type]
                assert record.signatories == catalogue.SIGNATORIES[record.record_type]
    assert set(permissions.SIGNERS) == set(SignatoryRole)
    by_role = [record_type for record_type, who in PREPARERS.items() if who is Preparer.SEAL_CUSTODIAN]
    assert by_role == [RecordType.STUDENT_REGISTER]


def hoso(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["permissions", *arguments], env={"COLUMNS": "80"}, catch_exceptions=False)
    Output.as_json = False
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_shows_every_act_and_every_role() -> None:
    printed = hoso()
    assert max(len(line) for line in printed.splitlines()) <= 80
    words = set(printed.replace("│", " ").split())
    assert words >= set(Permission.__members__) | set(Actor.__members__)
    flat = " ".join(printed.split())
    assert all(group.value in flat for group in Group)
    assert "3260/GDĐT-GDTrH" in words


@pytest.mark.parametrize("actor", Actor)
def test_the_command_shows_what_one_role_may_do(actor: Actor) -> None:
    acts = json.loads(hoso("--json", "--role", actor.name))["acts"]
    by_right = {entry["act"] for entry in acts if actor.name in entry["actors"]}
    assert by_right == {permission.name for permission in Permission if actor in permission.value.actors}
    conditional = {entry["act"] for entry in acts} - by_right
    assert all(entry["terms"] for entry in acts if entry["act"] in conditional)
    if actor is Actor.VICE_PRINCIPAL:
        expected = {"CHECK_CONTROL_LOG", "CONFIRM_CORRECTION", "APPROVE_CORRECTION", "REJECT_CORRECTION"}
        assert conditional == expected
    if actor is Actor.TEACHER:
        assert acts == []


def test_the_json_holds_the_whole_table() -> None:
    data = json.loads(hoso("--json"))
    assert [entry["act"] for entry in data["acts"]] == list(Permission.__members__)
    assert {entry["actor"] for entry in data["actors"]} == set(Actor.__members__)
    assert {entry["signatory"] for entry in data["signatures"]} == set(SignatoryRole.__members__)
    (entry,) = json.loads(hoso("--json", "--act", "CLOSE_WINDOW"))["acts"]
    refusal = {"reason": "ROLE_REQUIRED", "message": "Việc này chỉ dành cho: Hiệu trưởng."}
    assert (entry["actors"], entry["refusal"]) == (["PRINCIPAL"], refusal)


@pytest.mark.parametrize("option", ["--role", "--act"])
def test_an_unknown_name_is_wrong_usage(option: str) -> None:
    assert CliRunner().invoke(app, ["permissions", option, "KHÔNG_CÓ"]).exit_code == 2
