"""A class in its summer: failures of the year, training and re-assessment."""

import uuid
from collections.abc import Sequence
from typing import Any

from hoso.gradebook.v1 import class_book_pb2, common_pb2, marks_pb2

from demo.school import SchoolClass
from services.common.errors import HosoError, Invalid
from services.print import content as printing
from tests.integration.gradebook.books.line import Line
from tests.integration.gradebook.world import AFTER_SUMMER, REASSESSMENT, SECOND, World, columns

SATISFACTORY, UNSATISFACTORY = common_pb2.LEVEL_SATISFACTORY, common_pb2.LEVEL_UNSATISFACTORY
SCORED = ("VAN", "TOAN", "NN1", "GDCD", "LSDL", "KHTN", "CN", "TIN")


def reasons(error: HosoError) -> list[tuple[str, str]]:
    return [(v.field, v.rule) for v in error.violations] if isinstance(error, Invalid) else [("", error.reason)]


def give(world: World, school_class: SchoolClass, student: str, marks: dict[str, str]) -> None:
    """The same mark in every cell of a subject, in both semesters."""
    for subject in world.school.subjects[school_class.grade]:
        if mark := marks.get(subject.code):
            for semester in (1, 2):
                width = columns(subject)
                world.enter(school_class, subject.code, semester, width, {student: [mark] * len(width)})


def conduct(world: World, school_class: SchoolClass, levels: dict[str, int]) -> None:
    for semester in (1, 2):
        world.enter_conduct(school_class, semester, levels)


def train(world: World, school_class: SchoolClass, levels: dict[str, int]) -> None:
    world.ask(
        "EnterSummerConduct",
        person=school_class.homeroom_teacher,
        request_id=str(uuid.uuid4()),
        school_class=world.ref(school_class),
        rows=[class_book_pb2.SummerConductRow(student=student, level=level) for student, level in levels.items()],  # type: ignore[arg-type]
    )


def retest(world: World, school_class: SchoolClass, subject: str, marks: dict[str, str]) -> Any:
    return world.enter(
        school_class, subject, SECOND, [(REASSESSMENT, 0)], {student: [mark] for student, mark in marks.items()}
    )


def missing(world: World, school_class: SchoolClass) -> set[tuple[str, str, str]]:
    missing_data = world.ask("ListMissing", school_class=world.ref(school_class), stage=AFTER_SUMMER).missing
    return {(m.kind, m.student, m.subject) for m in missing_data}


def lock(line: Line) -> None:
    line.reconcile()
    line.start_signing()
    line.signed()
    line.sealed()
    line.lock()


def downloaded(world: World, line: Line) -> Any:
    raw = world.ask("DownloadBookContent", client="service/print", book=line.book.id)
    return printing.parse(raw, line.book.content_sha256.hex()).data


def remark(world: World, school_class: SchoolClass, month: str, text: str) -> None:
    world.ask(
        "RecordPrincipalRemark",
        person=world.school.principal,
        school_class=world.ref(school_class),
        month=month,
        remark=text,
    )


def failing(world: World, school_class: SchoolClass) -> Sequence[str]:
    """All pass but a and b (fail VAN and TOAN), c (fails conduct) and d (fails all three)."""
    a, b, c, d, e = (student.id for student in school_class.students)
    for student in (a, b, c, d, e):
        give(world, school_class, student, dict.fromkeys(SCORED, "7"))
    for student in (a, b, d):
        give(world, school_class, student, {"VAN": "3", "TOAN": "4.5"})
    good = common_pb2.LEVEL_GOOD
    conduct(world, school_class, {a: good, b: good, c: UNSATISFACTORY, d: UNSATISFACTORY, e: good})
    world.ask(
        "EnterAbsences",
        person=school_class.homeroom_teacher,
        request_id=str(uuid.uuid4()),
        school_class=world.ref(school_class),
        rows=[marks_pb2.AbsenceRow(student=student, excused=2) for student in (a, b, c, d, e)],
    )
    return a, b, c, d, e
