"""The Department's rulings and the topic clusters of upper secondary, through real gRPC."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hoso.gradebook.v1 import common_pb2, marks_pb2, roster_pb2

from services.common.errors import Forbidden, Invalid, Rejected
from services.common.settings import DatabaseConfig
from tests.integration.gradebook.world import (
    DEPARTMENT,
    FIRST,
    SECOND,
    World,
    columns,
    columns_of,
    served,
    student_message,
)
from tests.servers import Pki

CODE, YEAR = "79000010", "2025-2026"
CLASS = common_pb2.ClassRef(school=CODE, school_year=YEAR, name="10A1")


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """The usual school, and a THPT of one class whose Toán has a topic cluster in semester I."""
    with served(pki_files, database("gradebook")) as world:
        world.put_roster()
        world.plan_window()
        school = roster_pb2.School(
            code=CODE,
            name="Trường THPT Chu Văn An",
            level=common_pb2.SCHOOL_LEVEL_UPPER_SECONDARY,
            commune="Phường 1",
            province="Thành phố Hồ Chí Minh",
            department="Sở Giáo dục và Đào tạo Thành phố Hồ Chí Minh",
        )
        world.ask("PutSchool", client=DEPARTMENT, school=school)
        year = roster_pb2.SchoolYear(
            school_year=YEAR,
            vendor="smas",
            authorisation=roster_pb2.AUTHORISATION_BY_DEPARTMENT,
            authorisation_decision="12/QĐ-SGDĐT",
        )
        world.ask("PutSchoolYear", client=DEPARTMENT, school=CODE, year=year)
        people = [
            roster_pb2.Person(id="thpt-gv", name="Nguyễn Văn An", roles=[common_pb2.ROLE_TEACHER]),
            roster_pb2.Person(id="thpt-ht", name="Trần Thị Bình", roles=[common_pb2.ROLE_PRINCIPAL]),
        ]
        world.put_people(CODE, "thpt-ht", people)
        put_toan(world)
        classes = [roster_pb2.SchoolClass(name="10A1", grade_level=10, homeroom_teacher="thpt-gv")]
        world.ask("PutClasses", token=as_of(world, "thpt-ht"), school=CODE, school_year=YEAR, classes=classes)
        someone = world.school.classes[0].students[0]
        student = student_message(someone, moet_student_id="7900001001", number=1)
        world.ask("PutStudents", school_class=CLASS, students=[student])
        assigned = [roster_pb2.Assignment(subject="TOAN", teachers=["thpt-gv"])]
        world.ask("PutAssignments", token=as_of(world, "thpt-ht"), school_class=CLASS, assignments=assigned)
        (window,) = world.ask("ListWindows", **world.year).windows
        world.ask("PlanWindow", token=as_of(world, "thpt-ht"), school=CODE, school_year=YEAR, window=window)
        yield world


def as_of(world: World, person: str) -> str:
    return world.token(person, school=CODE)


def put_toan(world: World, **changes: Any) -> None:
    fields = {
        "code": "TOAN",
        "name": "Toán",
        "kind": common_pb2.SUBJECT_KIND_COMMENT_AND_SCORE,
        "periods_per_year": 105,
        "topic_cluster_semester": FIRST,
    } | changes
    subjects = [roster_pb2.Subject(**fields)]
    world.ask("PutSubjects", school=CODE, school_year=YEAR, grade_level=10, subjects=subjects)


def enter(world: World, semester: int, request_id: str, regular: list[str]) -> Any:
    return world.ask(
        "EnterMarks",
        token=as_of(world, "thpt-gv"),
        request_id=request_id,
        school_class=CLASS,
        subject="TOAN",
        semester=semester,
        columns=[marks_pb2.MarkColumn(kind=kind, position=place) for kind, place in columns_of(len(regular))],
        rows=[marks_pb2.MarkRow(student="7900001001", values=[*regular, "7", "8"])],
    )


def sheet(world: World, semester: int) -> Any:
    (row,) = world.ask("GetMarkSheet", school_class=CLASS, subject="TOAN", semester=semester).rows
    return row


def test_a_topic_cluster_is_one_more_regular_mark_in_its_semester(world: World) -> None:
    enter(world, FIRST, "11111111-0000-4000-8000-000000000001", ["8", "9", "7", "8", "6"])
    assert list(sheet(world, FIRST).regular) == ["8", "9", "7", "8", "6"]
    assert sheet(world, FIRST).result == "7.6", "(38 + 2·7 + 3·8) / 10"
    with pytest.raises(Invalid) as caught:
        enter(world, SECOND, "11111111-0000-4000-8000-000000000002", ["8", "9", "7", "8", "6"])
    assert [(v.field, v.rule) for v in caught.value.violations] == [("columns[4].position", "REGULAR_POSITION")]
    enter(world, SECOND, "11111111-0000-4000-8000-000000000003", ["8", "9", "7", "8"])
    assert sheet(world, SECOND).result == "7.8", "(32 + 2·7 + 3·8) / 9 = 7,78"
    with pytest.raises(Rejected) as refused:
        put_toan(world, topic_cluster_semester=SECOND)
    assert refused.value.reason == "SUBJECT_IN_USE"


def test_clusters_are_of_upper_secondary_and_of_scores(world: World) -> None:
    subject = roster_pb2.Subject(
        code="TOAN", name="Toán", kind=common_pb2.SUBJECT_KIND_COMMENT_AND_SCORE, periods_per_year=140
    )
    subject.topic_cluster_semester = FIRST
    with pytest.raises(Invalid) as caught:
        world.ask("PutSubjects", **world.year, grade_level=6, subjects=[subject])
    assert [(v.field, v.rule) for v in caught.value.violations] == [
        ("subjects[0].topic_cluster_semester", "TOPIC_CLUSTER")
    ]


def test_a_ruling_holds_from_its_year_on_until_the_next(world: World) -> None:
    literal = world.ask("GetAssessmentPolicy", client=DEPARTMENT, school_year=YEAR).policy
    assert (literal.school_year, literal.failed_comment_subject_counts, literal.adjustment_by_ideal_mark) == (
        "",
        True,
        False,
    )
    for year, counts in (("2024-2025", True), ("2026-2027", False)):
        ruling = roster_pb2.AssessmentPolicy(
            school_year=year, failed_comment_subject_counts=counts, decision=f"1/SGDĐT-GDTrH ({year})"
        )
        with pytest.raises(Forbidden):
            world.ask("PutAssessmentPolicy", policy=ruling)
        world.ask("PutAssessmentPolicy", client=DEPARTMENT, policy=ruling)
    held = {
        year: world.ask("GetAssessmentPolicy", school_year=year).policy.school_year
        for year in ("2023-2024", "2024-2025", "2025-2026", "2026-2027", "2030-2031")
    }
    assert held == {
        "2023-2024": "",
        "2024-2025": "2024-2025",
        "2025-2026": "2024-2025",
        "2026-2027": "2026-2027",
        "2030-2031": "2026-2027",
    }


def test_results_follow_the_ruling(world: World) -> None:
    """Eight subjects at 8,5 and one comment-only subject not passed: Khá or Đạt, as Điều 9 khoản 3
    is read.
    """
    school_class = world.school.classes[0]
    for subject in world.school.subjects[school_class.grade]:
        keyed = columns(subject)
        values = ["Đ" if subject.comment_only else "8.5"] * len(keyed)
        if subject.code == "GDDP":
            values[-1] = "CĐ"
        world.enter(school_class, subject.code, FIRST, keyed, {school_class.students[0].id: values})
    levels = {}
    for counts in (True, False):
        ruling = roster_pb2.AssessmentPolicy(school_year=YEAR, failed_comment_subject_counts=counts, decision="2/SGDĐT")
        world.ask("PutAssessmentPolicy", client=DEPARTMENT, policy=ruling)
        summary = world.ask("GetClassSummary", school_class=world.ref(school_class), stage=common_pb2.STAGE_SEMESTER_1)
        levels[counts] = summary.students[0].semester_1.learning_result
    assert levels == {True: common_pb2.LEVEL_GOOD, False: common_pb2.LEVEL_SATISFACTORY}
