"""The roster through real gRPC: who may write it, what is refused, what a put replaces."""

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hoso.gradebook.v1 import common_pb2, roster_pb2

from services.common.errors import Forbidden, Invalid, NotFound, Rejected, Unauthenticated
from services.common.settings import DatabaseConfig
from tests.integration.gradebook.world import (
    DEPARTMENT,
    FINAL,
    FIRST,
    OTHER_VENDOR,
    VENDOR,
    World,
    served,
    student_message,
    subject_message,
)
from tests.servers import Pki


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    with served(pki_files, database("gradebook")) as world:
        world.put_roster()
        yield world


def tables(world: World) -> list[list[tuple[Any, ...]]]:
    names = ("school", "school_year", "staff", "subject", "school_class", "student", "enrolment", "assignment")
    return [world.rows(f"SELECT * FROM {name} ORDER BY {name}::text") for name in names]


def unchanged_by(world: World, kind: type[Exception], reason: str, rpc: str, **fields: Any) -> Any:
    before = tables(world)
    with pytest.raises(kind) as caught:
        world.ask(rpc, **fields)
    assert tables(world) == before
    assert getattr(caught.value, "reason", "") == reason
    return caught.value


def violations(world: World, rpc: str, **fields: Any) -> set[tuple[str, str]]:
    error = unchanged_by(world, Invalid, "INVALID_INPUT", rpc, **fields)
    return {(v.field, v.rule) for v in error.violations}


def test_what_was_put_is_read_back(world: World) -> None:
    school = world.school
    answer = world.ask("GetSchool", school=school.code)
    assert (answer.school.name, answer.years[0].vendor) == (school.name, "smas")
    school_class = school.classes[1]
    students = world.ask("ListStudents", school_class=world.ref(school_class)).students
    assert list(students) == [student_message(s) for s in school_class.students]
    people, token = [], ""
    while True:
        page = world.ask("ListPeople", school=school.code, page_size=7, page_token=token)
        people += [person.id for person in page.people]
        token = page.next_page_token
        if not token:
            break
    assert people == sorted(p.id for p in school.people)
    classes = world.ask("ListClasses", **world.year).classes
    assert [(c.name, c.homeroom_teacher) for c in classes] == [(c.name, c.homeroom_teacher) for c in school.classes]


def test_putting_again_changes_nothing(world: World) -> None:
    before = tables(world)
    world.put_roster()
    assert tables(world) == before


def test_who_may_write_the_roster(world: World) -> None:
    school = world.school
    people = [roster_pb2.Person(id="x", name="Lê An", roles=[common_pb2.ROLE_PRINCIPAL])]
    unchanged_by(world, Forbidden, "CLIENT_NOT_ALLOWED", "PutSchool", client=VENDOR, school=roster_pb2.School(code="1"))
    year = roster_pb2.SchoolYear(school_year="2026-2027", vendor="vietschool")
    unchanged_by(world, Forbidden, "CLIENT_NOT_ALLOWED", "PutSchoolYear", client=VENDOR, school=school.code, year=year)
    for rpc, fields in (
        ("PutPeople", {"school": school.code, "people": people}),
        ("ListPeople", {"school": school.code}),
        ("ListClasses", world.year),
        ("ListStudents", {"school_class": world.ref(school.classes[0])}),
        ("GetSchool", {"school": school.code}),
    ):
        unchanged_by(world, Forbidden, "VENDOR_NOT_AUTHORISED", rpc, client=OTHER_VENDOR, **fields)
    foreign = world.token(school.principal, school="other")
    unchanged_by(world, Forbidden, "WRONG_SCHOOL", "PutPeople", token=foreign, school=school.code, people=people)
    unchanged_by(world, NotFound, "SCHOOL_UNKNOWN", "PutPeople", client=DEPARTMENT, school="nowhere", people=people)
    unchanged_by(world, NotFound, "SCHOOL_UNKNOWN", "PutSchoolYear", client=DEPARTMENT, school="nowhere", year=year)


def test_nobody_makes_themselves_a_principal(world: World) -> None:
    """The Department appoints the first principal of a school, and no other person; after that the
    school's principal and data officer change people, classes and assignments.
    """
    school, school_class = world.school, world.school.classes[0]
    people = [roster_pb2.Person(id="x", name="Lê An", roles=[common_pb2.ROLE_PRINCIPAL])]
    assigned = [{"subject": "TOAN", "teachers": [school_class.homeroom_teacher]}]
    puts: tuple[tuple[str, dict[str, Any]], ...] = (
        ("PutPeople", {"school": school.code, "people": people}),
        ("PutClasses", {**world.year, "classes": [{"name": "6A9", "grade_level": 6, "homeroom_teacher": "x"}]}),
        ("PutAssignments", {"school_class": world.ref(school_class), "assignments": assigned}),
    )
    for rpc, fields in puts:
        unchanged_by(world, Unauthenticated, "PERSON_REQUIRED", rpc, **fields)
        unchanged_by(world, Forbidden, "PERSON_UNKNOWN", rpc, person="x", **fields)
        unchanged_by(world, Forbidden, "PERSON_UNKNOWN", rpc, person=school_class.students[0].id, **fields)
        unchanged_by(world, Forbidden, "ROLE_REQUIRED", rpc, person=school_class.homeroom_teacher, **fields)
    rpc, fields = puts[0]
    unchanged_by(world, Rejected, "PRINCIPAL_APPOINTED", rpc, client=DEPARTMENT, **fields)
    teacher = [roster_pb2.Person(id="y", name="Lê Ba", roles=[common_pb2.ROLE_TEACHER])]
    world.ask("PutPeople", person=school.data_officer, school=school.code, people=teacher)


def test_the_department_puts_nobody_but_principals_also_in_a_school_without_one(world: World) -> None:
    code = "79000099"
    known = world.ask("GetSchool", school=world.school.code).school
    known.code = code
    world.ask("PutSchool", client=DEPARTMENT, school=known)
    year = roster_pb2.SchoolYear(school_year="2025-2026", vendor="smas")
    world.ask("PutSchoolYear", client=DEPARTMENT, school=code, year=year)
    principal = roster_pb2.Person(id="ht", name="Lê An", roles=[common_pb2.ROLE_PRINCIPAL])
    for role in set(common_pb2.Role.values()) - {common_pb2.ROLE_UNSPECIFIED, common_pb2.ROLE_PRINCIPAL}:
        people = [principal, roster_pb2.Person(id="x", name="Lê Ba", roles=[role])]
        unchanged_by(world, Forbidden, "ROLE_REQUIRED", "PutPeople", client=DEPARTMENT, school=code, people=people)
    world.ask("PutPeople", client=DEPARTMENT, school=code, people=[principal])


def test_a_year_of_another_vendor_is_that_vendors(world: World) -> None:
    year = roster_pb2.SchoolYear(school_year="2026-2027", vendor="vietschool")
    world.ask("PutSchoolYear", client=DEPARTMENT, school=world.school.code, year=year)
    following = {"school": world.school.code, "school_year": "2026-2027"}
    unchanged_by(world, Forbidden, "VENDOR_NOT_AUTHORISED", "ListClasses", client=VENDOR, **following)
    assert list(world.ask("ListClasses", client=OTHER_VENDOR, **following).classes) == []
    assert list(world.ask("ListClasses", client=VENDOR, **world.year).classes) != []
    # Both act for the school, which has people of both years, until the older year is history.
    for client in (VENDOR, OTHER_VENDOR):
        assert list(world.ask("ListPeople", client=client, school=world.school.code).people) != []
    later = roster_pb2.SchoolYear(school_year="2027-2028", vendor="vietschool")
    world.ask("PutSchoolYear", client=DEPARTMENT, school=world.school.code, year=later)
    unchanged_by(world, Forbidden, "VENDOR_NOT_AUTHORISED", "ListPeople", client=VENDOR, school=world.school.code)
    world.rows("UPDATE school_year SET vendor = 'smas' WHERE name = '2027-2028' RETURNING 1")


DECOMPOSED = unicodedata.normalize("NFD", "Nguyễn Thị Hạnh")
BAD_NAMES = {
    "": "LENGTH",
    "x" * 101: "LENGTH",
    DECOMPOSED: "NOT_NFC",
    "Nguyễn \ue001": "PRIVATE_USE_CHARACTER",
    "Lê\x07An": "CONTROL_CHARACTER",
    "Lê\u200bAn": "FORMAT_CHARACTER",
    " Lê An": "SPACES",
    "Lê  An": "SPACES",
    "Lê\u00a0An": "SPACES",
    "NguyÔn V¨n An": "LEGACY_ENCODING",  # TCVN3
    "Nguyeãn Vaên An": "LEGACY_ENCODING",  # VNI
    "D\u00ad¬ng ThÞ HuÖ": "LEGACY_ENCODING",
    "Nguy?n V?n An": "LEGACY_ENCODING",
}


@pytest.mark.parametrize(("name", "rule"), BAD_NAMES.items())
def test_names_that_cannot_be_printed_are_refused(world: World, name: str, rule: str) -> None:
    school_class = world.school.classes[0]
    students = [student_message(s) for s in school_class.students]
    students[2].name = name
    assert violations(world, "PutStudents", school_class=world.ref(school_class), students=students) == {
        ("students[2].name", rule)
    }
    people = [roster_pb2.Person(id="p", name=name, roles=[5])]
    assert violations(world, "PutPeople", person=world.school.principal, school=world.school.code, people=people) == {
        ("people[0].name", rule)
    }


def test_the_answer_to_a_hundred_bad_names_still_arrives(world: World) -> None:
    """A client takes at most 8 KiB of trailers, so an answer names the first faults and how many
    there are.
    """
    school_class = world.school.classes[0]
    students = [
        student_message(school_class.students[0], moet_student_id=str(n), number=n, name=DECOMPOSED)
        for n in range(1, 101)
    ]
    error = unchanged_by(
        world, Invalid, "INVALID_INPUT", "PutStudents", school_class=world.ref(school_class), students=students
    )
    assert "100 lỗi" in error.message
    assert [v.field for v in error.violations] == [f"students[{n}].name" for n in range(25)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"birth_date": "2014-02-30"}, {("students[0].birth_date", "DATE")}),
        ({"birth_date": "09/03/2014"}, {("students[0].birth_date", "DATE")}),
        ({"birth_date": "2999-01-01"}, {("students[0].birth_date", "DATE")}),
        ({"sex": 0}, {("students[0].sex", "ENUM")}),
        ({"moet_student_id": "3 1"}, {("students[0].moet_student_id", "CODE")}),
        ({"moet_student_id": "３１"}, {("students[0].moet_student_id", "CODE")}),
        ({"moet_student_id": "x" * 33}, {("students[0].moet_student_id", "CODE")}),
        ({"number": 0}, {("students[0].number", "OUT_OF_RANGE")}),
        ({"number": 2}, {("students", "DUPLICATE")}),
        ({"number": 50}, {("students", "NUMBERS_NOT_CONSECUTIVE")}),
        ({"father": roster_pb2.Guardian(name="")}, {("students[0].father.name", "LENGTH")}),
        ({"note": "a" * 201}, {("students[0].note", "LENGTH")}),
    ],
)
def test_bad_students(world: World, changes: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    school_class = world.school.classes[0]
    students = [
        student_message(school_class.students[0], **changes),
        *(student_message(s) for s in school_class.students[1:]),
    ]
    assert violations(world, "PutStudents", school_class=world.ref(school_class), students=students) == expected


def test_class_lists_renumber_and_grow_but_a_student_has_one_class(world: World) -> None:
    school_class, other = world.school.classes
    reversed_list = [student_message(s, number=7 - s.number) for s in school_class.students]
    world.ask("PutStudents", school_class=world.ref(school_class), students=reversed_list)
    listed = world.ask("ListStudents", school_class=world.ref(school_class)).students
    assert [s.moet_student_id for s in listed] == [s.id for s in reversed(school_class.students)]
    world.ask(
        "PutStudents",
        school_class=world.ref(school_class),
        students=[student_message(s) for s in school_class.students],
    )
    moved = student_message(other.students[0], number=7)
    unchanged_by(
        world, Rejected, "STUDENT_IN_OTHER_CLASS", "PutStudents", school_class=world.ref(school_class), students=[moved]
    )
    unchanged_by(world, Invalid, "INVALID_INPUT", "PutStudents", school_class=world.ref(school_class), students=[])
    many = [student_message(school_class.students[0], moet_student_id=str(n), number=n) for n in range(1, 102)]
    assert violations(world, "PutStudents", school_class=world.ref(school_class), students=many) == {
        ("students", "COUNT")
    }


def test_subjects_are_checked_and_kept_while_they_have_marks(world: World) -> None:
    subjects = [subject_message(s) for s in world.school.subjects[6]]
    year = {**world.year, "grade_level": 6}
    bad = [roster_pb2.Subject(code="toan", name="", kind=0, periods_per_year=0), subjects[0], subjects[0]]
    assert violations(world, "PutSubjects", **year, subjects=bad) == {
        ("subjects[0].code", "SUBJECT_CODE"),
        ("subjects[0].name", "LENGTH"),
        ("subjects[0].kind", "ENUM"),
        ("subjects[0].periods_per_year", "OUT_OF_RANGE"),
        ("subjects", "DUPLICATE"),
    }
    assert violations(world, "PutSubjects", **world.year, grade_level=10, subjects=subjects) == {
        ("grade_level", "GRADE_LEVEL")
    }
    assert violations(world, "PutSubjects", **year, subjects=[]) == {("subjects", "COUNT")}

    # A subject without marks leaves the list and comes back; one with marks keeps its place and
    # meaning.
    world.ask("PutSubjects", **year, subjects=subjects[:-1])
    school_class = world.school.classes[0]
    assert len(world.ask("GetClassSummary", school_class=world.ref(school_class), stage=1).students) == 6
    world.plan_window()
    with pytest.raises(NotFound):
        world.enter(school_class, subjects[-1].code, FIRST, [(FINAL, 0)], {school_class.students[0].id: ["Đ"]})
    world.ask("PutSubjects", **year, subjects=subjects)
    world.enter(school_class, "TOAN", FIRST, [(FINAL, 0)], {school_class.students[0].id: ["9"]})
    without = [s for s in subjects if s.code != "TOAN"]
    unchanged_by(world, Rejected, "SUBJECT_IN_USE", "PutSubjects", **year, subjects=without)
    fewer = [roster_pb2.Subject(code="TOAN", name="Toán", kind=2, periods_per_year=35), *without]
    unchanged_by(world, Rejected, "SUBJECT_IN_USE", "PutSubjects", **year, subjects=fewer)
    renamed = [roster_pb2.Subject(code="TOAN", name="Toán học", kind=2, periods_per_year=140), *without]
    world.ask("PutSubjects", **year, subjects=renamed)
    world.ask("PutSubjects", **year, subjects=subjects)


def test_classes_and_assignments_name_known_people_and_subjects(world: World) -> None:
    school_class = world.school.classes[0]
    classes = [
        roster_pb2.SchoolClass(name="6A9", grade_level=6, homeroom_teacher="nobody"),
        roster_pb2.SchoolClass(name="6A8", grade_level=6, homeroom_teacher=school_class.homeroom_teacher),
    ]
    assert violations(world, "PutClasses", person=world.school.principal, **world.year, classes=classes) == {
        ("classes[0].homeroom_teacher", "PERSON_UNKNOWN")
    }
    moved = [
        roster_pb2.SchoolClass(name=school_class.name, grade_level=7, homeroom_teacher=school_class.homeroom_teacher)
    ]
    unchanged_by(
        world, Rejected, "CLASS_IN_USE", "PutClasses", person=world.school.principal, **world.year, classes=moved
    )
    assert violations(
        world,
        "PutAssignments",
        person=world.school.principal,
        school_class=world.ref(school_class),
        assignments=[
            roster_pb2.Assignment(subject="XYZ", teachers=[school_class.homeroom_teacher]),
            roster_pb2.Assignment(subject="TOAN", teachers=[school_class.homeroom_teacher, "nobody"]),
        ],
    ) == {("assignments[0].subject", "SUBJECT_UNKNOWN"), ("assignments[1].teachers[1]", "PERSON_UNKNOWN")}
    assert violations(
        world,
        "PutAssignments",
        person=world.school.principal,
        school_class=world.ref(school_class),
        assignments=[roster_pb2.Assignment(subject="TOAN")],
    ) == {("assignments[0].teachers", "COUNT")}
    unknown = common_pb2.ClassRef(school=world.school.code, school_year=world.school.school_year, name="6Z")
    unchanged_by(
        world,
        NotFound,
        "CLASS_UNKNOWN",
        "PutStudents",
        school_class=unknown,
        students=[student_message(school_class.students[0])],
    )


@pytest.mark.parametrize("school_year", ["2025-2027", "2025", "25-26", "", "2025-2026\x00"])
def test_names_that_cannot_exist_are_bad_input_everywhere(world: World, school_year: str) -> None:
    fields = {"school": world.school.code, "school_year": school_year}
    assert violations(world, "ListClasses", **fields) == {("school_year", "SCHOOL_YEAR")}
    ref = common_pb2.ClassRef(**fields, name="6A1")
    assert violations(world, "ListStudents", school_class=ref) == {("school_class.school_year", "SCHOOL_YEAR")}


@pytest.mark.parametrize("code", ["", "x" * 33, "79 01", "trường", "7\x00"])
def test_school_codes(world: World, code: str) -> None:
    assert violations(world, "GetSchool", school=code) == {("school", "CODE")}
    school = roster_pb2.School(
        code=code, name="Trường", level=1, commune="Xã Một", province="Tỉnh Hai", department="Sở Ba"
    )
    assert violations(world, "PutSchool", client=DEPARTMENT, school=school) == {("school.code", "CODE")}


def test_every_rpc_with_an_empty_request_is_refused_in_order(world: World) -> None:
    """No RPC answers an empty request with an internal error or by writing something."""
    person = world.school.principal
    for client, rpcs in (
        (DEPARTMENT, ("PutSchool", "PutSchoolYear")),
        (VENDOR, ("PutPeople", "PutSubjects", "PutClasses", "PutStudents", "PutAssignments", "GetSchool", "ListClasses",
                  "ListPeople", "ListStudents", "PlanWindow", "CloseWindow", "GetWindow", "EnterMarks",
                  "SettleMissingMarks", "EnterConduct", "EnterAbsences", "GetMarkSheet", "GetClassSummary",
                  "ListMissing", "GetMarkHistory", "FreezeBook", "AssignPrint", "StartReconciliation",
                  "ConfirmReconciliation", "ReportMismatch", "RecordHandSigned", "RecordStamped",
                  "RecordPaperArchived", "StartDigitalSigning", "LockBook", "ReturnBook", "RevokeBook", "GetBook",
                  "ListBooks", "DownloadBookContent", "RecordPracticalExemption", "ListPracticalExemptions")),
        ("service/archive", ("DownloadSnapshot",)),
    ):  # fmt: skip
        for rpc in rpcs:
            before = tables(world)
            with pytest.raises((Invalid, NotFound)):
                world.ask(rpc, client=client, person=person if client == VENDOR else None)
            assert tables(world) == before
