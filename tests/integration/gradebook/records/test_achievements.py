"""Certificates and competition results over gRPC: entered with history, frozen, then fixed."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hoso.gradebook.v1 import achievements_pb2

from services.common.errors import Conflict, Forbidden, Invalid, NotFound, Rejected
from services.common.settings import DatabaseConfig
from tests.integration.gradebook.books.line import Announce, Line
from tests.integration.gradebook.records.lines import RecordLine, to_locked, transcript
from tests.integration.gradebook.register.schools import move, register_all
from tests.integration.gradebook.world import OTHER_VENDOR, VENDOR, World, served
from tests.servers import Pki

CERTIFICATES = achievements_pb2.ACHIEVEMENT_KIND_CERTIFICATES
COMPETITION = achievements_pb2.ACHIEVEMENT_KIND_COMPETITION
IELTS = "Chứng chỉ IELTS 6.5, Hội đồng Anh, ngày 12/3/2026"
PRIZE = "Giải Nhì môn Toán, kì thi học sinh giỏi cấp thành phố năm học 2025-2026"


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """A school of two classes whose data are complete, under one open window."""
    with served(pki_files, database("gradebook"), classes=2, students=5) as world:
        world.put_roster()
        register_all(world)
        world.plan_window()
        for school_class in world.school.classes:
            world.complete(school_class)
        yield world


def enter(
    world: World,
    rows: Mapping[str, str] | Sequence[tuple[str, str]],
    *,
    kind: int = CERTIFICATES,
    index: int = 0,
    **more: Any,
) -> tuple[int, int]:
    school_class = world.school.classes[index]
    pairs = rows.items() if isinstance(rows, Mapping) else rows
    fields = {
        "person": school_class.homeroom_teacher,
        "request_id": str(uuid.uuid4()),
        "school_class": world.ref(school_class),
        "kind": kind,
        "rows": [achievements_pb2.AchievementRow(student=student, text=text) for student, text in pairs],
    }
    answer = world.ask("EnterAchievements", **{**fields, **more})
    return answer.changed, answer.unchanged


def standing(world: World, *, kind: int = CERTIFICATES, index: int = 0, student: str = "") -> list[tuple[Any, ...]]:
    school_class = world.school.classes[index]
    rows = world.ask("GetAchievements", school_class=world.ref(school_class), kind=kind, student=student).achievements
    return [(row.student, row.text, row.version) for row in rows]


def test_a_line_keeps_its_history_and_its_two_kinds_apart(world: World) -> None:
    school_class = world.school.classes[0]
    first, second = school_class.students[0].id, school_class.students[1].id
    request = str(uuid.uuid4())
    for _ in range(2):
        assert enter(world, {first: IELTS, second: "Chứng chỉ Tin học"}, request_id=request) == (2, 0)
    with pytest.raises(Conflict) as reused:
        enter(world, {first: PRIZE}, request_id=request)
    assert reused.value.reason == "REQUEST_ID_REUSED"
    assert enter(world, {first: PRIZE}, kind=COMPETITION) == (1, 0)
    assert enter(world, {first: IELTS, second: ""}) == (1, 1)
    assert standing(world) == [(first, IELTS, 1), (second, "", 2)]
    assert standing(world, student=second) == [(second, "Chứng chỉ Tin học", 1), (second, "", 2)]
    assert standing(world, kind=COMPETITION) == [(first, PRIZE, 1)]
    (row,) = world.ask("GetAchievements", school_class=world.ref(school_class), kind=COMPETITION).achievements
    assert (row.person, row.client, row.time.seconds > 0) == (school_class.homeroom_teacher, VENDOR, True)


def test_every_act_is_in_the_audit_chain_and_a_refused_one_is_not(world: World) -> None:
    school_class = world.school.classes[0]
    audited = "SELECT facts->>'kind', facts->>'changed', person FROM audit_entry WHERE action = 'ACHIEVEMENTS_ENTERED'"
    before = len(world.rows(audited))
    enter(world, {school_class.students[2].id: "Chứng chỉ bơi an toàn"})
    with pytest.raises(Invalid):
        enter(world, {school_class.students[2].id: "Khác", "79999999": "Khác"})
    assert world.rows(audited + " ORDER BY sequence")[before:] == [("CERTIFICATES", "1", school_class.homeroom_teacher)]
    assert standing(world, student=school_class.students[2].id)[-1] == (
        school_class.students[2].id,
        "Chứng chỉ bơi an toàn",
        1,
    )


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("x" * 301, "LENGTH"),
        ("Giải  Nhất", "SPACES"),
        ("Giải Nhất\nmôn Toán", "CONTROL_CHARACTER"),
        ("Gia\u0309i Nhất", "NOT_NFC"),
        ("Gi\uf0b7i Nhất", "PRIVATE_USE_CHARACTER"),
        ("Gi¶i Nh× cÊp tØnh 2026", "LEGACY_ENCODING"),  # TCVN3
        ("Chöùng chæ IELTS 6.5", "LEGACY_ENCODING"),  # VNI
        ("Gi?i Nh?t", "LEGACY_ENCODING"),
    ],
)
def test_a_bad_text_is_refused_by_field_row_and_rule(world: World, text: str, rule: str) -> None:
    school_class = world.school.classes[0]
    before = standing(world, kind=COMPETITION)
    with pytest.raises(Invalid) as caught:
        enter(world, {school_class.students[0].id: PRIZE + ".", school_class.students[3].id: text}, kind=COMPETITION)
    (violation,) = caught.value.violations
    assert (violation.field, violation.rule) == ("rows[1].text", rule)
    assert "Tên" not in violation.message
    assert standing(world, kind=COMPETITION) == before


def test_who_may_enter_for_whom(world: World) -> None:
    school_class, other = world.school.classes
    student = school_class.students[0].id
    refusals: list[tuple[type[Any], str, dict[str, Any]]] = [
        (Forbidden, "ROLE_REQUIRED", {"person": world.school.principal}),
        (Forbidden, "ROLE_REQUIRED", {"person": other.homeroom_teacher}),
        (Forbidden, "VENDOR_NOT_AUTHORISED", {"client": OTHER_VENDOR}),
    ]
    for error, reason, fields in refusals:
        with pytest.raises(error) as caught:
            enter(world, {student: IELTS}, **fields)
        assert caught.value.reason == reason
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"rows": {}}, "rows", "COUNT"),
        ({"kind": 0}, "kind", "ENUM"),
        ({"kind": 3}, "kind", "ENUM"),
        ({"rows": [(student, IELTS)] * 2}, "rows[1].student", "DUPLICATE_STUDENT"),
        ({"rows": {other.students[0].id: IELTS}}, "rows[0].student", "STUDENT_UNKNOWN"),
        ({"request_id": "1"}, "request_id", "UUID"),
    ]
    for fields, field, rule in wrong:
        with pytest.raises(Invalid) as refused:
            enter(world, **{"rows": {student: IELTS}, **fields})
        assert [(v.field, v.rule) for v in refused.value.violations] == [(field, rule)]
    with pytest.raises(NotFound):
        enter(world, {student: IELTS}, school_class={**world.year, "name": "9A9"})
    with pytest.raises(Invalid):
        standing(world, student="\0")


def test_they_go_with_the_student_to_another_class(world: World) -> None:
    school_class, other = world.school.classes
    student = school_class.students[4].id
    enter(world, {student: "Chứng chỉ A"})
    move(world, student, "CLASS_CHANGED", date="2025-12-01", to_class=other.name)
    with pytest.raises(Invalid) as left:
        enter(world, {student: "Chứng chỉ B"})
    assert [(v.field, v.rule) for v in left.value.violations] == [("rows[0].student", "STUDENT_LEFT")]
    assert standing(world, index=1) == [(student, "Chứng chỉ A", 1)]
    assert enter(world, {student: "Chứng chỉ A; Chứng chỉ B"}, index=1) == (1, 0)
    assert standing(world, index=1) == [(student, "Chứng chỉ A; Chứng chỉ B", 2)]


def test_the_transcript_holds_them_and_then_they_stay(world: World, announce: Announce) -> None:
    """Runs last: it closes the year of the first class."""
    school_class = world.school.classes[0]
    first, second, third = (student.id for student in school_class.students[:3])
    world.close_window()
    to_locked(Line(world, announce))
    enter(world, {second: "Chứng chỉ Tin học"})  # a locked class book does not hold them
    line = transcript(world, announce, first)
    row = line.content()["grades"][-1]
    assert (row["certificates"], row["competition"]) == (IELTS, PRIZE)
    for kind in (CERTIFICATES, COMPETITION):
        with pytest.raises(Rejected) as held:
            enter(world, {third: "Chứng chỉ bơi", first: ""}, kind=kind)
        assert (held.value.reason, held.value.facts["book_state"]) == ("BOOK_LOCKED", "DATA_COMPLETE")
    assert enter(world, {third: ""}) == (1, 0)
    books = world.ask(
        "FreezeClassTranscripts", person=school_class.homeroom_teacher, school_class=world.ref(school_class), stage=2
    ).books
    assert books[0].id == line.book.id
    rows = [RecordLine(world, announce, line.preparer, book).content()["grades"][-1] for book in books]
    assert [(row["certificates"], row["competition"]) for row in rows] == [
        (IELTS, PRIZE),
        ("Chứng chỉ Tin học", ""),
        ("", ""),
        ("", ""),
    ]
    # A version that ended frees them; the next version holds what is then entered.
    line.assign()
    line.printed()
    line.act("StartReconciliation", world.school.data_officer)
    line.act("ReportMismatch", line.preparer, differences="Thiếu một chứng chỉ.")
    assert enter(world, {first: f"{IELTS}; Chứng chỉ Tin học"}) == (1, 0)
    again = line.freeze()
    assert again.version == 2
    assert line.content()["grades"][-1]["certificates"] == f"{IELTS}; Chứng chỉ Tin học"
