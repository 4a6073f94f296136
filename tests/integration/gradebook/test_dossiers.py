"""Adoption dossiers over gRPC: items, routes, deadline, renewal, the gate, suspended vendors, who
is missing.
"""

from collections.abc import Callable, Iterator

import pytest
from hoso.gradebook.v1 import common_pb2, dossiers_pb2, roster_pb2

from services.common import audit
from services.common.db import StatementError
from services.common.errors import Forbidden, Invalid, NotFound, Rejected
from services.common.settings import DatabaseConfig
from tests.integration.gradebook.dossier_acts import (
    APPROVED,
    HIGH,
    LATE_YEAR,
    NEXT_YEAR,
    PRINCIPAL,
    REJECTED,
    SUBMITTED,
    TEACHER,
    UNDER_REVIEW,
    UNRUN,
    VICE,
    YEAR,
    act,
    appraise,
    approve,
    by_dossier,
    decide,
    document,
    gated,
    gated_by_vendor,
    items,
    plan,
    put_round,
    put_school,
    refusals,
    refused,
    rules,
    save,
    submit,
)
from tests.integration.gradebook.streams import demo_sheets, send
from tests.integration.gradebook.world import (
    DEPARTMENT,
    OTHER_VENDOR,
    SEMESTER_1,
    VENDOR,
    World,
    served,
)
from tests.servers import Pki


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """The demo school (THCS) with all its data and no dossier, a THPT, and a school that files
    nothing.
    """
    with served(pki_files, database("gradebook"), classes=1, students=5) as world:
        appraise(world, "smas", dossiers_pb2.VENDOR_STATUS_APPRAISED)
        world.put_roster()
        world.plan_window()
        world.complete(world.school.classes[0], (1,))
        world.close_window()
        world.plan_window("HK2", semesters=(common_pb2.SEMESTER_SECOND,))
        by_dossier(world, world.school.code, YEAR)
        for code in (HIGH, UNRUN):
            put_school(world, code)
        put_round(world, YEAR)
        yield world


def test_without_a_dossier_nothing_is_entered_printed_or_locked(world: World) -> None:
    school_class = world.school.classes[0]
    world.ask(
        "FreezeBook", person=school_class.homeroom_teacher, school_class=world.ref(school_class), stage=SEMESTER_1
    )
    before = world.rows("SELECT count(*) FROM entry"), world.rows("SELECT state FROM book")
    for call in gated(world).values():
        error = refused(Rejected, "SCHOOL_NOT_AUTHORISED", call)
        assert "hồ sơ" in error.message
    (imported,) = send(world, demo_sheets(world, school_class, 2)[:1])
    assert imported.refusal.reason == "SCHOOL_NOT_AUTHORISED"
    assert (world.rows("SELECT count(*) FROM entry"), world.rows("SELECT state FROM book")) == before


def test_every_missing_item_is_named(world: World) -> None:
    code = world.school.code
    refused(NotFound, "DOSSIER_UNKNOWN", lambda: submit(world, code, YEAR))
    save(world, code, YEAR, dossiers_pb2.DossierItems())
    with pytest.raises(Invalid) as caught:
        submit(world, code, YEAR)
    assert rules(caught) == {
        ("items.petition", "ITEM_1_MISSING"),
        ("items.software", "ITEM_2_MISSING"),
        ("items.portal_link", "ITEM_2_MISSING"),
        ("items.regulation_decision", "ITEM_3_MISSING"),
        ("items.regulation", "ITEM_3_MISSING"),
        ("items.assignment_decision", "ITEM_4_MISSING"),
        ("items.assignment", "ITEM_4_MISSING"),
        ("items.entry_plan", "ITEM_5_MISSING"),
        ("items.windows", "ITEM_5_MISSING"),
        ("items.assessment_plan", "ITEM_6_MISSING"),
    }
    wrong = items(["stranger"], ["NONE"], software=["smas", "vietschool"])
    save(world, code, YEAR, wrong)
    with pytest.raises(Invalid) as caught:
        submit(world, code, YEAR)
    assert rules(caught) == {
        ("items.software", "ONE_SOFTWARE"),
        ("items.assignment[0].person", "PERSON_UNKNOWN"),
        ("items.assignment", "SCHOOL_BOARD_REQUIRED"),
        ("items.windows[0]", "WINDOW_UNKNOWN"),
    }
    save(world, code, YEAR, items([world.school.principal], ["CN"], software=["quangich"]))
    with pytest.raises(Invalid) as caught:
        submit(world, code, YEAR)
    assert rules(caught) == {("items.software", "SOFTWARE_NOT_APPRAISED")}


def test_who_may_write_and_hand_in(world: World) -> None:
    code, good = world.school.code, items([world.school.principal, world.school.data_officer], ["CN", "HK2"])
    fields = {"school": code, "school_year": YEAR}
    teacher = next(p.id for p in world.school.people if p.roles == ("TEACHER",))
    refused(Forbidden, "ROLE_REQUIRED", lambda: world.ask("SaveDossier", person=teacher, **fields, items=good))
    saved = world.ask("SaveDossier", person=world.school.data_officer, **fields, items=good).dossier
    assert (saved.items, saved.version, saved.route) == (good, 1, dossiers_pb2.DOSSIER_ROUTE_LIST)
    officer = world.school.data_officer
    refused(Forbidden, "ROLE_REQUIRED", lambda: world.ask("SubmitDossier", person=officer, **fields))
    refused(Forbidden, "VENDOR_NOT_AUTHORISED", lambda: submit(world, code, YEAR, OTHER_VENDOR))


def test_a_thcs_goes_through_a_list_and_approval_opens_the_gate(world: World) -> None:
    code = world.school.code
    handed_in = submit(world, code, YEAR)
    assert (handed_in.state, handed_in.software, handed_in.late) == (SUBMITTED, "smas", False)
    assert len(handed_in.items_sha256) == 32
    assert submit(world, code, YEAR) == handed_in
    refused(Rejected, "DOSSIER_STATE", lambda: save(world, code, YEAR, items([world.school.principal], ["CN"])))
    refused(Rejected, "DOSSIER_STATE", lambda: decide(world, code, YEAR, APPROVED))
    refused(Rejected, "NOT_ON_LIST", lambda: act(world, "StartReview", code, YEAR))
    sent = {"client": DEPARTMENT, "school_year": YEAR, "office": "Phường Lê Chân", "list": document("Danh sách THCS")}
    with pytest.raises(Invalid) as caught:
        world.ask("ForwardList", **sent, schools=[code, HIGH, "nowhere"])
    assert rules(caught) == {("schools[1]", "ROUTE_DIRECT"), ("schools[2]", "SCHOOL_UNKNOWN")}
    put_round(world, YEAR, offices=("Phường Một",))
    with pytest.raises(Invalid) as caught:
        world.ask("ForwardList", **sent, schools=[code])
    assert rules(caught) == {("office", "OFFICE_UNKNOWN")}
    put_round(world, YEAR)
    for _ in range(2):
        assert not world.ask("ForwardList", **sent, schools=[code]).late
    assert world.rows("SELECT count(*) FROM dossier_list") == [(1,)]
    put_round(world, YEAR, in_s=-10)
    refused(Rejected, "NOT_ON_LIST", lambda: act(world, "StartReview", code, YEAR))
    put_round(world, YEAR)
    assert act(world, "StartReview", code, YEAR).dossier.state == UNDER_REVIEW
    assert act(world, "StartReview", code, YEAR).dossier.state == UNDER_REVIEW
    refused(Rejected, "SCHOOL_NOT_AUTHORISED", gated(world)["EnterConduct"])
    approved = decide(world, code, YEAR, APPROVED)
    assert decide(world, code, YEAR, APPROVED) == approved
    refused(Rejected, "DOSSIER_STATE", lambda: decide(world, code, YEAR, REJECTED, 3))
    for name, call in gated(world).items():
        if name in ("AssignPrint", "LockBook"):
            continue
        call()
    assert gated(world)["AssignPrint"]().book.state
    history = act(world, "GetDossier", code, YEAR).dossier.history
    assert [step.to_state for step in history][-3:] == [SUBMITTED, UNDER_REVIEW, APPROVED]
    assert history[-3].person == world.school.principal
    assert history[-1].person == ""
    year = world.ask("GetSchool", school=code).years[0]
    assert year.authorisation == roster_pb2.AUTHORISATION_DOSSIER
    assert year.HasField("authorised_time")


def test_what_was_handed_in_and_decided_is_fixed(world: World) -> None:
    for change in ("items = '{}'", "state = 5, reason = 3", "software = 'vietschool'"):
        with pytest.raises(StatementError, match="was decided"):
            world.rows(f"UPDATE dossier SET {change} RETURNING 1")
    for table in ("dossier_step", "dossier_list", "vendor_appraisal"):
        with pytest.raises(StatementError, match="records of a school are kept"):
            world.rows(f"DELETE FROM {table} RETURNING 1")


def test_the_department_may_go_on_putting_an_approved_year(world: World) -> None:
    code = world.school.code
    by_dossier(world, code, YEAR)
    world.ask(
        "PutSchoolYear", client=DEPARTMENT, school=code, year=roster_pb2.SchoolYear(school_year=YEAR, vendor="smas")
    )
    assert world.ask("GetSchool", school=code).years[0].HasField("authorised_time")
    refused(Rejected, "VENDOR_OF_DOSSIER", lambda: by_dossier(world, code, YEAR, "vietschool"))
    with pytest.raises(Invalid) as caught:
        year = roster_pb2.SchoolYear(school_year=YEAR, vendor="smas", authorisation_decision="12/QĐ")
        world.ask("PutSchoolYear", client=DEPARTMENT, school=code, year=year)
    assert rules(caught) == {("year.authorisation_decision", "NOT_APPLICABLE")}


def test_a_thpt_hands_in_directly_and_may_be_rejected_and_come_again(world: World) -> None:
    plan(world, HIGH, YEAR)
    save(world, HIGH, YEAR, items([f"{HIGH}-{VICE}"], ["HK1"]))
    assert submit(world, HIGH, YEAR).route == dossiers_pb2.DOSSIER_ROUTE_DIRECT
    act(world, "StartReview", HIGH, YEAR)
    rejected = decide(world, HIGH, YEAR, REJECTED, dossiers_pb2.REJECTION_REASON_MISSING)
    assert (rejected.state, rejected.reason) == (REJECTED, dossiers_pb2.REJECTION_REASON_MISSING)
    put_round(world, YEAR, in_s=-10)
    again = items([f"{HIGH}-{VICE}", f"{HIGH}-{TEACHER}"], ["HK1"])
    refused(Rejected, "ROUND_CLOSED", lambda: save(world, HIGH, YEAR, again))
    put_round(world, YEAR)
    assert save(world, HIGH, YEAR, again).version == 2
    assert approve(world, HIGH, YEAR).state == APPROVED
    assert act(world, "GetDossier", HIGH, YEAR, version=1).dossier.state == REJECTED


def test_who_is_missing_and_the_list_of_dossiers(world: World) -> None:
    missing = world.ask("ListMissingDossiers", client=DEPARTMENT, school_year=YEAR).schools
    assert [(gap.school, gap.route, gap.state) for gap in missing] == [(UNRUN, dossiers_pb2.DOSSIER_ROUTE_DIRECT, 0)]
    listed, token = [], ""
    while True:
        page = world.ask("ListDossiers", client=DEPARTMENT, school_year=YEAR, page_size=1, page_token=token)
        listed += [(dossier.school, dossier.version, dossier.state) for dossier in page.dossiers]
        token = page.next_page_token
        if not token:
            break
    assert listed == sorted([(world.school.code, 1, APPROVED), (HIGH, 2, APPROVED)])
    rejected = world.ask("ListDossiers", client=DEPARTMENT, school_year=YEAR, state=REJECTED)
    assert list(rejected.dossiers) == []
    directly = roster_pb2.SchoolYear(
        school_year=YEAR,
        vendor="smas",
        authorisation=roster_pb2.AUTHORISATION_BY_DEPARTMENT,
        authorisation_decision="12/QĐ-SGDĐT",
    )
    world.ask("PutSchoolYear", client=DEPARTMENT, school=UNRUN, year=directly)
    assert list(world.ask("ListMissingDossiers", client=DEPARTMENT, school_year=YEAR).schools) == []


def test_approval_ends_with_its_year_and_is_renewed_with_items_5_and_6(world: World) -> None:
    by_dossier(world, HIGH, NEXT_YEAR)
    put_round(world, NEXT_YEAR)
    assert not world.ask("GetSchool", school=HIGH).years[0].HasField("authorised_time")
    plan(world, HIGH, NEXT_YEAR)
    renewal = dossiers_pb2.DossierItems(
        renewal=True, entry_plan=document("Kế hoạch ghi điểm"), windows=["HK1"],
        assessment_plan=document("Kế hoạch kiểm tra đánh giá"),
    )  # fmt: skip
    changed = dossiers_pb2.DossierItems()
    changed.CopyFrom(renewal)
    changed.assignment.add(person=f"{HIGH}-{VICE}", duty="Theo dõi nhập điểm")
    changed.software.append("vietschool")
    save(world, HIGH, NEXT_YEAR, changed)
    with pytest.raises(Invalid) as caught:
        submit(world, HIGH, NEXT_YEAR)
    assert rules(caught) == {("items.assignment", "PERSONNEL_CHANGED"), ("items.software", "SOFTWARE_CHANGED")}
    save(world, HIGH, NEXT_YEAR, renewal)
    assert approve(world, HIGH, NEXT_YEAR).software == "smas"
    by_dossier(world, UNRUN, NEXT_YEAR)
    plan(world, UNRUN, NEXT_YEAR)
    save(world, UNRUN, NEXT_YEAR, renewal)
    with pytest.raises(Invalid) as caught:
        submit(world, UNRUN, NEXT_YEAR)
    assert rules(caught) == {("items.renewal", "NOT_RENEWABLE")}


def test_an_approval_brings_the_vendor_of_the_dossier(world: World) -> None:
    """Filed through the present vendor's screens, the dossier may name another software; approval
    moves the year.
    """
    appraise(world, "vietschool", dossiers_pb2.VENDOR_STATUS_APPRAISED)
    save(world, UNRUN, NEXT_YEAR, items([f"{UNRUN}-{VICE}"], ["HK1"], software=["vietschool"]))
    assert approve(world, UNRUN, NEXT_YEAR).software == "vietschool"
    year = next(
        year for year in world.ask("GetSchool", client=DEPARTMENT, school=UNRUN).years if year.school_year == NEXT_YEAR
    )
    assert year.vendor == "vietschool"
    refused(Forbidden, "VENDOR_NOT_AUTHORISED", lambda: act(world, "GetDossier", UNRUN, NEXT_YEAR, client=VENDOR))
    assert act(world, "GetDossier", UNRUN, NEXT_YEAR, client=OTHER_VENDOR).dossier.state == APPROVED


def test_a_late_dossier_is_recorded_and_not_resolved(world: World) -> None:
    by_dossier(world, UNRUN, LATE_YEAR)
    plan(world, UNRUN, LATE_YEAR)
    whole = items([f"{UNRUN}-{PRINCIPAL}"], ["HK1"])
    save(world, UNRUN, LATE_YEAR, whole)
    refused(Rejected, "ROUND_NOT_OPEN", lambda: submit(world, UNRUN, LATE_YEAR))
    put_round(world, LATE_YEAR, in_s=-1)
    late = submit(world, UNRUN, LATE_YEAR)
    assert (late.state, late.late, late.reason) == (REJECTED, True, dossiers_pb2.REJECTION_REASON_LATE)
    refused(Rejected, "DOSSIER_STATE", lambda: act(world, "StartReview", UNRUN, LATE_YEAR))
    refused(Rejected, "ROUND_CLOSED", lambda: save(world, UNRUN, LATE_YEAR, whole))
    put_round(world, LATE_YEAR)
    save(world, UNRUN, LATE_YEAR, whole)
    assert approve(world, UNRUN, LATE_YEAR).version == 2


def test_a_suspended_vendor_is_refused_at_once_and_the_school_may_change(world: World) -> None:
    appraise(world, "smas", dossiers_pb2.VENDOR_STATUS_SUSPENDED)
    for call in (
        lambda: world.ask("ListClasses", **world.year),
        lambda: act(world, "SaveDossier", UNRUN, LATE_YEAR, client=VENDOR, items=dossiers_pb2.DossierItems()),
        *gated_by_vendor(world),
    ):
        refused(Forbidden, "VENDOR_SUSPENDED", call)
    assert world.ask("ListClasses", client=DEPARTMENT, **world.year).classes
    appraise(world, "vietschool", dossiers_pb2.VENDOR_STATUS_APPRAISED)
    by_dossier(world, UNRUN, LATE_YEAR, "vietschool")
    changed = items([f"{UNRUN}-{PRINCIPAL}"], ["HK1"], software=["vietschool"])
    assert save(world, UNRUN, LATE_YEAR, changed, OTHER_VENDOR).version == 3
    assert approve(world, UNRUN, LATE_YEAR, OTHER_VENDOR).software == "vietschool"
    appraise(world, "smas", dossiers_pb2.VENDOR_STATUS_APPRAISED)
    assert world.ask("ListClasses", **world.year).classes


def test_vendors_are_listed_and_a_new_version_is_appraised_anew(world: World) -> None:
    vendor = dossiers_pb2.Vendor(name="vietschool", title="Vietschool", software="Phần mềm Vietschool", version="3.0")
    answer = world.ask("PutVendor", client=DEPARTMENT, vendor=vendor)
    assert answer.status == dossiers_pb2.VENDOR_STATUS_REGISTERED
    vendors = {vendor.name: vendor for vendor in world.ask("ListVendors", client=DEPARTMENT).vendors}
    assert vendors["smas"].status == dossiers_pb2.VENDOR_STATUS_APPRAISED
    assert (vendors["vietschool"].version, vendors["vietschool"].appraisal.version) == ("3.0", "2026.1")
    refused(
        NotFound,
        "VENDOR_UNKNOWN",
        lambda: world.ask(
            "AppraiseVendor", client=DEPARTMENT, vendor="nobody",
            appraisal=dossiers_pb2.Appraisal(status=2, decision=document("Kết quả"), valid_from="2025-01-01"),
        ),
    )  # fmt: skip


def test_the_control_log_tells_the_year_and_is_checked(world: World) -> None:
    where = {"school": world.school.code, "school_year": YEAR}
    entries, token = [], ""
    while True:
        page = world.ask("ListControlLog", **where, page_size=5, page_token=token)
        entries += page.entries
        token = page.next_page_token
        if not token:
            break
    assert list(world.ask("ListControlLog", **where, page_size=500).entries) == entries
    actions = [entry.action for entry in entries]
    titles = {entry.action: entry.title for entry in entries}
    assert not {"MARKS_ENTERED", "CONDUCT_ENTERED", "ABSENCES_ENTERED"} & set(actions)
    for action in (
        "WINDOW_PLANNED",
        "WINDOW_CLOSED",
        "BOOK_FROZEN",
        "BOOK_ASSIGN_PRINT",
        "DOSSIER_APPROVED",
    ):
        assert titles[action] != action
    assert refusals(world) >= {"ROLE_REQUIRED", "VENDOR_NOT_AUTHORISED"}
    assert [entry.time.ToNanoseconds() for entry in entries] == sorted(entry.time.ToNanoseconds() for entry in entries)
    up_to = next(entry for entry in entries if entry.action == "DOSSIER_APPROVED")
    check = {**where, "up_to": up_to.sequence, "remark": "Đã đối chiếu với sổ giấy"}
    officer, principal = world.school.data_officer, world.school.principal
    refused(Forbidden, "ROLE_REQUIRED", lambda: world.ask("RecordControlCheck", person=officer, **check))
    vice = next(p.id for p in world.school.people if "VICE_PRINCIPAL" in p.roles)
    refused(Forbidden, "ROLE_REQUIRED", lambda: world.ask("RecordControlCheck", person=vice, **check))
    with pytest.raises(Invalid) as caught:
        world.ask("RecordControlCheck", person=principal, **{**check, "up_to": 10**6})
    assert rules(caught) == {("up_to", "ROW_UNKNOWN")}
    sequence = world.ask("RecordControlCheck", person=principal, **check).sequence
    checked = next(e for e in world.ask("ListControlLog", **where, page_size=500).entries if e.sequence == sequence)
    assert checked.facts["up_to_sha256"] == up_to.row_sha256.hex()
    with world.database.transaction() as tx:
        assert audit.verify(tx) == []
    with pytest.raises(Invalid) as caught:
        world.ask("ListControlLog", **where, page_token="WyIyMDI2LTAxLTAxIiwgImEiLCAiMSJd")
    assert rules(caught) == {("page_token", "PAGE_TOKEN")}
