"""Reading everything of one class, or of all classes of a year, in few statements."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from services.common.db import Tx
from services.common.rows import rows
from services.gradebook.authority import policy_store
from services.gradebook.entry.store import attendance, exemptions, principal_remarks
from services.gradebook.model.domain import SUBJECT_KINDS
from services.gradebook.model.entry_kinds import CellSource
from services.gradebook.model.movement_rules import list_note
from services.gradebook.model.results import ClassData, ClassStudent, ClassSubject, NamedPerson, Sheet, year_totals
from services.gradebook.roster.roster_store import SELECT_DETAILS, guardian
from services.gradebook.rules import Level

_LEVELS = {int(level): level for level in Level}


class ClassHead(NamedTuple):
    """A class whose data is to be read."""

    id: int
    name: str
    grade_level: int


def heads(tx: Tx, year_id: int) -> list[ClassHead]:
    """The classes of a year by grade and name."""
    return rows(
        tx,
        ClassHead,
        "SELECT id, name, grade_level FROM school_class WHERE school_year_id = %s ORDER BY grade_level, name",
        (year_id,),
    ).fetchall()


def heads_after(tx: Tx, year_id: int, after: tuple[int, str], limit: int) -> list[ClassHead]:
    """A page of the classes of a year by grade and name."""
    return rows(
        tx,
        ClassHead,
        "SELECT id, name, grade_level FROM school_class WHERE school_year_id = %s AND (grade_level, name) > (%s, %s)"
        " ORDER BY grade_level, name LIMIT %s",
        (year_id, *after, limit),
    ).fetchall()


def zeros(tx: Tx, classes: Sequence[int], semesters: Sequence[int]) -> dict[int, set[tuple[int, int, int, int]]]:
    """Class id → cells that are zero by rule: (subject id, semester, student id, column)."""
    cells: dict[int, set[tuple[int, int, int, int]]] = {}
    for zero in rows(
        tx,
        _ZeroRow,
        "SELECT class_id, subject_id, semester, student_id, column_no FROM mark"
        " WHERE class_id = ANY(%s) AND semester = ANY(%s) AND status = %s",
        (list(classes), list(semesters), CellSource.ZERO_BY_RULE),
    ):
        cell = (zero.subject_id, zero.semester, zero.student_id, zero.column_no)
        cells.setdefault(zero.class_id, set()).add(cell)
    return cells


def read(
    tx: Tx,
    year_id: int,
    school_year: str,
    classes: Sequence[ClassHead],
    semesters: Sequence[int],
    *,
    only_subject: str | None = None,
) -> dict[int, ClassData]:
    """Class id → everything of the class, with the marks of the semesters. Ten statements in all.

    only_subject: leave out all other subjects and their marks.
    """
    ids = [head.id for head in classes]
    subjects = _subjects(tx, year_id, classes)
    if only_subject is not None:
        subjects = {
            class_id: [subject for subject in listed if subject.code == only_subject]
            for class_id, listed in subjects.items()
        }
    students = _students(tx, ids)
    marks = _marks(tx, ids, [subject.id for listed in subjects.values() for subject in listed], semesters)
    conduct: dict[int, dict[tuple[int, int], Level]] = {}
    for row in rows(
        tx,
        _ConductRow,
        "SELECT class_id, semester, student_id, level FROM conduct WHERE class_id = ANY(%s)",
        (ids,),
    ):
        conduct.setdefault(row.class_id, {})[row.semester, row.student_id] = _LEVELS[row.level]
    policy = policy_store.in_force(tx, school_year).policy
    absences: dict[int, dict[int, tuple[int, int]]] = {}
    for total in rows(
        tx,
        _AbsenceRow,
        "SELECT class_id, student_id, excused, unexcused FROM absence WHERE class_id = ANY(%s)",
        (ids,),
    ):
        absences.setdefault(total.class_id, {})[total.student_id] = (total.excused, total.unexcused)
    exempt = exemptions.in_force(tx, ids)
    sheets = attendance.newest_sheets(tx, ids)
    for class_id, kept in sheets.items():
        joined = {student.id for student in students.get(class_id, []) if student.joined}
        totals = absences.get(class_id, {})
        absences[class_id] = year_totals(kept, {student: totals[student] for student in joined & totals.keys()})
    remarks = principal_remarks.of_classes(tx, ids)
    return {
        head.id: ClassData(
            school_year,
            head.grade_level,
            subjects.get(head.id, []),
            students.get(head.id, []),
            marks.get(head.id, {}),
            conduct.get(head.id, {}),
            absences.get(head.id, {}),
            exempt.get(head.id, frozenset()),
            sheets.get(head.id, {}),
            remarks.get(head.id, {}),
            policy,
        )
        for head in classes
    }


def taught(tx: Tx, year_id: int, staff_id: int, subject_code: str) -> list[ClassHead]:
    """The classes of a year in which a person teaches a subject, by grade and name."""
    return rows(
        tx,
        ClassHead,
        "SELECT c.id, c.name, c.grade_level FROM assignment a JOIN school_class c ON c.id = a.class_id"
        " JOIN subject s ON s.id = a.subject_id WHERE c.school_year_id = %s AND a.staff_id = %s AND s.code = %s"
        " AND s.active ORDER BY c.grade_level, c.name",
        (year_id, staff_id, subject_code),
    ).fetchall()


def left_on(tx: Tx, classes: Sequence[int]) -> dict[int, dict[int, date]]:
    """Class id → student id → the day on which a student left the class; students still in it are
    omitted.
    """
    days: dict[int, dict[int, date]] = {}
    for row in rows(
        tx,
        _LeaverRow,
        "SELECT class_id, student_id, left_on FROM enrolment WHERE class_id = ANY(%s) AND left_on IS NOT NULL",
        (list(classes),),
    ):
        days.setdefault(row.class_id, {})[row.student_id] = row.left_on
    return days


def absences(tx: Tx, class_id: int) -> dict[int, tuple[int, int]]:
    """Student id → the year's absent sessions, excused and unexcused, as entered for the whole
    year.
    """
    statement = "SELECT class_id, student_id, excused, unexcused FROM absence WHERE class_id = %s"
    totals = rows(tx, _AbsenceRow, statement, (class_id,))
    return {total.student_id: (total.excused, total.unexcused) for total in totals}


def student_ids(tx: Tx, class_id: int) -> dict[str, int]:
    """moet_student_id → id of the students of a class, by number in its list."""
    statement = "SELECT moet_student_id, student_id FROM enrolment WHERE class_id = %s ORDER BY number"
    return {row.moet_student_id: row.student_id for row in rows(tx, _NamedRow, statement, (class_id,))}


class _ZeroRow(NamedTuple):
    class_id: int
    subject_id: int
    semester: int
    student_id: int
    column_no: int


class _ConductRow(NamedTuple):
    class_id: int
    semester: int
    student_id: int
    level: int


class _AbsenceRow(NamedTuple):
    class_id: int
    student_id: int
    excused: int
    unexcused: int


class _LeaverRow(NamedTuple):
    class_id: int
    student_id: int
    left_on: date


class _NamedRow(NamedTuple):
    moet_student_id: str
    student_id: int


class _SheetRow(NamedTuple):
    """The marks of a sheet; the lists are of equal length, one place per mark."""

    class_id: int
    subject_id: int
    semester: int
    students: list[int]
    columns: list[int]
    marks: list[int]


class _TeacherRow(NamedTuple):
    class_id: int
    subject_id: int
    person: str
    name: str


class _SubjectRow(NamedTuple):
    grade_level: int
    id: int
    code: str
    name: str
    kind: int
    periods_per_year: int
    regular_count: int
    topic_cluster_semester: int


def _subjects(tx: Tx, year_id: int, classes: Sequence[ClassHead]) -> dict[int, list[ClassSubject]]:
    teachers: dict[tuple[int, int], list[NamedPerson]] = {}
    for teacher in rows(
        tx,
        _TeacherRow,
        "SELECT a.class_id, a.subject_id, t.person, t.name FROM assignment a JOIN staff t ON t.id = a.staff_id"
        " WHERE a.class_id = ANY(%s) ORDER BY a.class_id, a.subject_id, a.position",
        ([head.id for head in classes],),
    ):
        named = NamedPerson(teacher.person, teacher.name)
        teachers.setdefault((teacher.class_id, teacher.subject_id), []).append(named)
    subjects = rows(
        tx,
        _SubjectRow,
        "SELECT grade_level, id, code, name, kind, periods_per_year, regular_count, topic_cluster_semester FROM subject"
        " WHERE school_year_id = %s AND active ORDER BY grade_level, position",
        (year_id,),
    ).fetchall()
    return {
        head.id: [
            ClassSubject(
                subject.id,
                subject.code,
                subject.name,
                SUBJECT_KINDS[subject.kind],
                subject.periods_per_year,
                subject.regular_count,
                tuple(teachers.get((head.id, subject.id), ())),
                subject.topic_cluster_semester,
            )
            for subject in subjects
            if subject.grade_level == head.grade_level
        ]
        for head in classes
    }


def _students(tx: Tx, classes: Sequence[int]) -> dict[int, list[ClassStudent]]:
    students: dict[int, list[ClassStudent]] = {}
    for class_id, student in rows(
        tx,
        _listed_student,
        f"{SELECT_DETAILS}, e.class_id, e.student_id, e.joined_on, e.joined_kind, e.left_on, e.left_kind"
        " FROM enrolment e WHERE e.class_id = ANY(%s) ORDER BY e.class_id, e.number",
        (list(classes),),
    ):
        students.setdefault(class_id, []).append(student)
    return students


def _listed_student(
    *,
    class_id: int,
    student_id: int,
    joined_on: date | None,
    joined_kind: int | None,
    left_on: date | None,
    left_kind: int | None,
    **details: Any,
) -> tuple[int, ClassStudent]:
    details["father"] = guardian(details["father"])
    details["mother"] = guardian(details["mother"])
    details["note"] = list_note(details["note"], _move(joined_kind, joined_on), _move(left_kind, left_on))
    joined = f"{joined_on:%Y-%m}" if joined_on else ""
    return class_id, ClassStudent(**details, id=student_id, left=left_on is not None, joined=joined)


def _move(kind: int | None, day: date | None) -> tuple[int, date] | None:
    return None if kind is None or day is None else (kind, day)


MARKS_OF_CLASSES = (
    "SELECT class_id, subject_id, semester, array_agg(student_id) AS students, array_agg(column_no) AS columns,"
    " array_agg(value) AS marks FROM mark"
    " WHERE class_id = ANY(%s) AND subject_id = ANY(%s) AND semester = ANY(%s) AND value IS NOT NULL"
    " GROUP BY class_id, subject_id, semester"
)
"""The marks of classes, subjects and semesters.

The bench shows its plan in a whole city's table.
"""


def _marks(
    tx: Tx, classes: Sequence[int], subjects: Sequence[int], semesters: Sequence[int]
) -> dict[int, dict[tuple[int, int], Sheet]]:
    marks: dict[int, dict[tuple[int, int], Sheet]] = {}
    # One row per sheet: the database gathers cells several times as fast as Python takes rows of
    # single ones.
    sheets = rows(tx, _SheetRow, MARKS_OF_CLASSES, (list(classes), list(set(subjects)), list(semesters)))
    for row in sheets:
        sheet: dict[int, dict[int, int]] = {}
        for student, column, value in zip(row.students, row.columns, row.marks, strict=True):
            if student in sheet:
                sheet[student][column] = value
            else:
                sheet[student] = {column: value}
        marks.setdefault(row.class_id, {})[row.subject_id, row.semester] = sheet
    return marks
