"""Acts on dossiers, as schools and the Department make them, for the tests of dossiers."""

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hoso.gradebook.v1 import common_pb2, dossiers_pb2, marks_pb2, roster_pb2

from tests.integration.gradebook.world import DEPARTMENT, FIRST, VENDOR, World, columns, sha256, timestamp

YEAR, NEXT_YEAR, LATE_YEAR = "2025-2026", "2026-2027", "2027-2028"
THCS, THPT = common_pb2.SCHOOL_LEVEL_LOWER_SECONDARY, common_pb2.SCHOOL_LEVEL_UPPER_SECONDARY
HIGH, UNRUN = "79000002", "79000003"
PRINCIPAL, VICE, TEACHER = "ht", "pht", "gv"
APPROVED, REJECTED = dossiers_pb2.DOSSIER_STATE_APPROVED, dossiers_pb2.DOSSIER_STATE_REJECTED
SUBMITTED, UNDER_REVIEW = dossiers_pb2.DOSSIER_STATE_SUBMITTED, dossiers_pb2.DOSSIER_STATE_UNDER_REVIEW


def put_school(world: World, code: str) -> None:
    school = roster_pb2.School(
        code=code,
        name="Trường THPT Trần Phú",
        level=THPT,
        commune="Phường Một",
        province="Tỉnh Hai",
        department="Sở Ba",
    )
    world.ask("PutSchool", client=DEPARTMENT, school=school)
    by_dossier(world, code, YEAR)
    named = ((PRINCIPAL, "PRINCIPAL"), (VICE, "VICE_PRINCIPAL"), (TEACHER, "TEACHER"))
    people = [
        roster_pb2.Person(id=f"{code}-{person}", name="Lê Thị An", roles=[common_pb2.Role.Value(f"ROLE_{role}")])
        for person, role in named
    ]
    world.put_people(code, f"{code}-{PRINCIPAL}", people)


def by_dossier(world: World, school: str, year: str, vendor: str = "smas") -> None:
    school_year = roster_pb2.SchoolYear(school_year=year, vendor=vendor, authorisation=roster_pb2.AUTHORISATION_DOSSIER)
    world.ask("PutSchoolYear", client=DEPARTMENT, school=school, year=school_year)


def put_round(world: World, year: str, *, in_s: int = 3600, offices: tuple[str, ...] = ()) -> None:
    deadline = timestamp(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=in_s))
    opened = dossiers_pb2.DossierRound(school_year=year, deadline=deadline, offices=offices, note="3368/GDĐT-TrH")
    world.ask("PutDossierRound", client=DEPARTMENT, round=opened)


def appraise(world: World, name: str, status: int) -> None:
    vendor = dossiers_pb2.Vendor(name=name, title=name.upper(), software=f"Phần mềm {name}", version="2026.1")
    world.ask("PutVendor", client=DEPARTMENT, vendor=vendor)
    appraisal = dossiers_pb2.Appraisal(status=status, decision=document("Kết quả thẩm định"), valid_from="2020-01-01")
    world.ask("AppraiseVendor", client=DEPARTMENT, vendor=name, appraisal=appraisal)


def document(title: str) -> dossiers_pb2.Document:
    return dossiers_pb2.Document(
        title=title, number="45/QĐ-THPT", issued_on="2025-08-20", sha256=sha256(title.encode()), size_bytes=120_000,
        kept_at="Tủ hồ sơ văn thư, ngăn 3",
    )  # fmt: skip


def items(people: list[str], windows: list[str], **changes: Any) -> dossiers_pb2.DossierItems:
    fields = {
        "petition": document("Tờ trình sử dụng sổ điểm điện tử"),
        "software": ["smas"],
        "portal_link": dossiers_pb2.PORTAL_LINK_CONNECTED,
        "regulation_decision": document("Quyết định ban hành quy chế"),
        "regulation": document("Quy chế sử dụng sổ điểm điện tử"),
        "assignment_decision": document("Quyết định phân công"),
        "assignment": [
            dossiers_pb2.StaffDuty(person=person, duty="Theo dõi nhập điểm, in và lưu sổ") for person in people
        ],
        "entry_plan": document("Kế hoạch ghi điểm, lưu điểm và in sổ"),
        "windows": windows,
        "assessment_plan": document("Kế hoạch kiểm tra đánh giá"),
    }
    return dossiers_pb2.DossierItems(**{**fields, **changes})


def act(world: World, rpc: str, school: str, year: str, *, client: str = DEPARTMENT, **fields: Any) -> Any:
    """An act on a dossier, by the school's principal when a vendor calls, else the Department."""
    principal = world.school.principal if school == world.school.code else f"{school}-{PRINCIPAL}"
    token = None if client == DEPARTMENT else world.token(principal, school=school, client=client)
    return world.ask(rpc, client=client, token=token, school=school, school_year=year, **fields)


def save(world: World, school: str, year: str, given: dossiers_pb2.DossierItems, client: str = VENDOR) -> Any:
    return act(world, "SaveDossier", school, year, client=client, items=given).dossier


def submit(world: World, school: str, year: str, client: str = VENDOR) -> Any:
    return act(world, "SubmitDossier", school, year, client=client).dossier


def decide(world: World, school: str, year: str, state: int, reason: int = 0) -> Any:
    fields = {"state": state, "reason": reason, "decision": document("Văn bản cho phép các đơn vị")}
    return act(world, "DecideDossier", school, year, **fields).dossier


def approve(world: World, school: str, year: str, client: str = VENDOR) -> Any:
    submit(world, school, year, client)
    act(world, "StartReview", school, year)
    return decide(world, school, year, APPROVED)


def plan(world: World, school: str, year: str, client: str = VENDOR, name: str = "HK1") -> None:
    now = dt.datetime.now(dt.UTC)
    window = marks_pb2.Window(
        name=name, open_time=timestamp(now), close_time=timestamp(now + dt.timedelta(days=1)),
        semesters=[FIRST], mark_kinds=[common_pb2.MARK_KIND_REGULAR],
    )  # fmt: skip
    act(world, "PlanWindow", school, year, client=client, window=window)


def rules(caught: Any) -> set[tuple[str, str]]:
    return {(violation.field, violation.rule) for violation in caught.value.violations}


def refused(kind: type[Exception], reason: str, call: Callable[[], Any]) -> Any:
    with pytest.raises(kind) as caught:
        call()
    assert getattr(caught.value, "reason", "") == reason
    return caught.value


def gated(world: World) -> dict[str, Callable[[], Any]]:
    """Every act that a school may do only with the Department's leave."""
    school_class = world.school.classes[0]
    subject = world.school.subjects[school_class.grade][0]
    student = school_class.students[0].id
    request = {"school_class": world.ref(school_class), "person": school_class.homeroom_teacher}
    book = world.ask("ListBooks", **world.year).books[0].id
    column = marks_pb2.MarkColumn(kind=common_pb2.MARK_KIND_REGULAR, position=1)

    def sheet() -> Any:
        values = {student: world.school.sheet(school_class, subject, 2)[student]}
        return world.enter(school_class, subject.code, common_pb2.SEMESTER_SECOND, columns(subject), values)

    return {
        "EnterMarks": sheet,
        "RecordPrincipalRemark": lambda: world.ask(
            "RecordPrincipalRemark", person=world.school.principal, school_class=world.ref(school_class),
            month="2026-05", remark="Nhập điểm đúng kế hoạch",
        ),
        "SettleMissingMarks": lambda: world.ask(
            "SettleMissingMarks", school_class=world.ref(school_class),
            person=school_class.assignments[subject.code][0], request_id=str(uuid.uuid4()),
            subject=subject.code, semester=common_pb2.SEMESTER_SECOND,
            columns=[column], students=[student], reason="Không dự kiểm tra bù theo lịch",
        ),
        "EnterConduct": lambda: world.ask(
            "EnterConduct", **request, request_id=str(uuid.uuid4()), semester=common_pb2.SEMESTER_SECOND,
            rows=[marks_pb2.ConductRow(student=student, level=common_pb2.LEVEL_GOOD)],
        ),
        "EnterAbsences": lambda: world.ask(
            "EnterAbsences", **request, request_id=str(uuid.uuid4()),
            rows=[marks_pb2.AbsenceRow(student=student, excused=1)],
        ),
        "AssignPrint": lambda: world.ask(
            "AssignPrint", person=world.school.principal, book=book, officer=world.school.data_officer
        ),
        "LockBook": lambda: world.ask("LockBook", person=world.school.principal, book=book),
    }  # fmt: skip


def gated_by_vendor(world: World) -> list[Callable[[], Any]]:
    school_class = world.school.classes[0]
    book = str(world.rows("SELECT id FROM book")[0][0])
    subject = world.school.subjects[school_class.grade][0].code
    return [
        lambda: world.enter(
            school_class, subject, FIRST, [(common_pb2.MARK_KIND_MIDTERM, 0)], {school_class.students[0].id: ["8"]}
        ),
        lambda: world.ask("GetBook", book=book),
    ]


def refusals(world: World) -> set[str]:
    """Why the demo school was refused, from the log of the school year that runs in Vietnam now."""
    today = dt.datetime.now(dt.timezone(dt.timedelta(hours=7)))
    start = today.year if today.month >= 8 else today.year - 1
    running = f"{start}-{start + 1}"
    by_dossier(world, world.school.code, running)
    log = world.ask("ListControlLog", school=world.school.code, school_year=running, page_size=500).entries
    return {entry.facts["reason"] for entry in log if entry.action == "REFUSED" and entry.sequence == 0}
