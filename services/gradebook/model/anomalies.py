"""Marks of a class that look wrong: reasons to check a paper again before a window closes.

An anomaly never refuses anything. Pure. Thresholds are in tenths of a point, set so that an
ordinary class shows no anomaly: a view with false alarms is not read. Zeros by rule (TT 22/2021
Điều 7 khoản 3) were set explicitly and are not outliers. Students who left the class are omitted.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import IntEnum
from statistics import median
from typing import NamedTuple

from services.gradebook.model.domain import (
    FINAL_COLUMN,
    MIDTERM_COLUMN,
    PASS_VALUE,
    Semester,
    Stage,
    keyed_text,
    required_columns,
)
from services.gradebook.model.results import ClassData, ClassStudent, ClassSubject, class_results
from services.gradebook.rules import SubjectKind

OUTLIER_OWN = 40
"""Four points from the median of the student's other marks: more than one bad day explains."""
OUTLIER_CLASS = 30
"""And three points from the class's median in the column, so that a hard paper flags nobody."""
OUTLIER_OWN_MARKS = 3
"""Other marks that a student needs for the comparison."""
COLUMN_MARKS = 5
"""Marks that a column needs for its median to be meaningful."""
JUMP_COLUMNS = 40
"""Four points between mid-term and final mark, also after subtracting the class's own change."""
JUMP_SEMESTERS = 25
"""Two and a half points between semester averages, likewise: they move less than single marks."""
REPEATED_STUDENTS = 10
"""Columns of fewer students may be equal by chance."""
REPEATED_SHARE = 0.9
"""Not all, because a few marks of a column keyed twice may have been corrected already."""
REPEATED_VALUES = 3
"""Columns with only one or two values can be equal without being copies."""
EQUAL_STUDENTS = 8
"""Marks of fewer students may all be equal by chance."""

Zeros = AbstractSet[tuple[int, int, int, int]]
"""Cells that are zero by rule: (subject id, semester, student id, column)."""


class AnomalyKind(IntEnum):
    """What is wrong about the marks, with the numbers of the proto's AnomalyKind."""

    OUTLIER = 1
    COLUMN_REPEATED = 2
    JUMP = 3
    ALL_EQUAL = 4
    MISSING = 5


class Cell(NamedTuple):
    """A cell that an anomaly is about.

    column: None for the semester average. value: as shown, empty where missing.
    """

    student: ClassStudent
    subject: ClassSubject
    semester: Semester
    column: int | None
    value: str


class Anomaly(NamedTuple):
    """Something to check, with a Vietnamese sentence for the school."""

    kind: AnomalyKind
    sentence: str
    cells: tuple[Cell, ...]


class _Column(NamedTuple):
    """One column of a class.

    students: those still in the class, by id. marks: by student id, without zeros by rule.
    missing: ids of the students without a mark.
    """

    subject: ClassSubject
    semester: Semester
    number: int
    students: Mapping[int, ClassStudent]
    marks: Mapping[int, int]
    missing: Sequence[int]

    @property
    def word(self) -> str:
        """The column's name among teachers."""
        if self.number == MIDTERM_COLUMN:
            return "ĐĐGgk"
        return "ĐĐGck" if self.number == FINAL_COLUMN else f"ĐĐGtx {self.number}"

    def cell(self, student: int) -> Cell:
        """A student's cell in this column."""
        value = keyed_text(self.marks.get(student))
        return Cell(self.students[student], self.subject, self.semester, self.number, value)


def find(data: ClassData, semester: Semester, zeros: Zeros = frozenset()) -> list[Anomaly]:
    """All anomalies of a semester, by subject in book order, then by kind.

    data: with the marks of this semester and of the previous one.
    """
    second = semester is Semester.SECOND
    averages = _averages(data) if second else {}
    sheets = [_columns(data, subject, semester, zeros) for subject in data.subjects]
    anomalies: list[Anomaly] = []
    for position, (subject, columns) in enumerate(zip(data.subjects, sheets, strict=True)):
        scored = subject.kind is SubjectKind.COMMENT_AND_SCORE
        if scored:
            anomalies += _outliers(columns, _columns(data, subject, Semester.FIRST, zeros) if second else ())
        anomalies += _repeated(columns, sheets[position + 1 :])
        if scored:
            anomalies += _jumps(columns[-2], columns[-1])
        if scored and second:
            anomalies += _semester_jumps(columns[0], *averages[subject.id])
        anomalies += _all_equal(columns)
        anomalies += _missing(columns)
    return anomalies


def _columns(data: ClassData, subject: ClassSubject, semester: Semester, zeros: Zeros) -> list[_Column]:
    students = {student.id: student for student in data.students if not student.left}
    sheet = {student: data.cells(subject.id, semester, student) for student in students}
    return [
        _Column(
            subject,
            semester,
            number,
            students,
            {
                student: cells[number]
                for student, cells in sheet.items()
                if number in cells and (subject.id, semester, student, number) not in zeros
            },
            [student for student, cells in sheet.items() if number not in cells],
        )
        for number in required_columns(subject.regular_in(semester))
    ]


def _averages(data: ClassData) -> dict[int, tuple[dict[int, int], dict[int, int]]]:
    """Subject id → averages of the first and of the second semester, each by student id."""
    averages: dict[int, tuple[dict[int, int], dict[int, int]]] = {subject.id: ({}, {}) for subject in data.subjects}
    for student, result in zip(data.students, class_results(data, Stage.WHOLE_YEAR), strict=True):
        for subject, subject_result in zip(data.subjects, result.subjects, strict=True):
            for index, mark in enumerate((subject_result.semester_1, subject_result.semester_2)):
                if isinstance(mark, int) and not student.left:
                    averages[subject.id][index][student.id] = mark
    return averages


def _outliers(columns: Sequence[_Column], earlier: Sequence[_Column]) -> Iterator[Anomaly]:
    for column in columns:
        if len(column.marks) < COLUMN_MARKS:
            continue
        class_median = median(column.marks.values())
        for student, mark in column.marks.items():
            if abs(mark - class_median) < OUTLIER_CLASS:
                continue
            others = (other for other in (*earlier, *columns) if other is not column)
            own = [other.marks[student] for other in others if student in other.marks]
            if len(own) >= OUTLIER_OWN_MARKS and abs(mark - median(own)) >= OUTLIER_OWN:
                cell = column.cell(student)
                yield Anomaly(
                    AnomalyKind.OUTLIER,
                    f"{column.subject.name}, {column.word}: điểm {_shown(mark)} của học sinh số {cell.student.number}"
                    f" lệch nhiều so với các điểm khác của chính em (trung vị {_shown(median(own))}) và so với lớp"
                    f" (trung vị {_shown(class_median)}).",
                    (cell,),
                )


def _repeated(columns: Sequence[_Column], later: Sequence[Sequence[_Column]]) -> Iterator[Anomaly]:
    for column, other in itertools.combinations(columns, 2):
        if equal := _equal_students(column, other):
            yield Anomaly(
                AnomalyKind.COLUMN_REPEATED,
                f"{column.subject.name}: cột {column.word} và cột {other.word} giống nhau ở {len(equal)} học sinh;"
                " có thể một cột đã được nhập hai lần.",
                _cells(column, other, equal),
            )
    for column, other in itertools.product(columns, itertools.chain.from_iterable(later)):
        if column.number == other.number and (equal := _equal_students(column, other)):
            yield Anomaly(
                AnomalyKind.COLUMN_REPEATED,
                f"Cột {column.word} của môn {column.subject.name} và của môn {other.subject.name} giống nhau ở"
                f" {len(equal)} học sinh; có thể đã nhập nhầm môn.",
                _cells(column, other, equal),
            )


def _equal_students(first: _Column, second: _Column) -> list[int]:
    """The students with equal marks if the columns look like copies, otherwise none."""
    both = [student for student in first.marks if student in second.marks]
    equal = [student for student in both if first.marks[student] == second.marks[student]]
    copied = (
        len(both) >= REPEATED_STUDENTS
        and len(equal) >= REPEATED_SHARE * len(both)
        and len({first.marks[student] for student in equal}) >= REPEATED_VALUES
    )
    return equal if copied else []


def _cells(first: _Column, second: _Column, students: Sequence[int]) -> tuple[Cell, ...]:
    return tuple(column.cell(student) for student in students for column in (first, second))


def _jumps(midterm: _Column, final: _Column) -> Iterator[Anomaly]:
    for student in _jumping(midterm.marks, final.marks, JUMP_COLUMNS):
        before, after = midterm.cell(student), final.cell(student)
        yield Anomaly(
            AnomalyKind.JUMP,
            f"{midterm.subject.name}: học sinh số {before.student.number} có điểm giữa kì"
            f" {_shown(midterm.marks[student])}, cuối kì {_shown(final.marks[student])}, thay đổi khác hẳn cả lớp.",
            (before, after),
        )


def _semester_jumps(column: _Column, first: Mapping[int, int], second: Mapping[int, int]) -> Iterator[Anomaly]:
    for student_id in _jumping(first, second, JUMP_SEMESTERS):
        student = column.students[student_id]
        yield Anomaly(
            AnomalyKind.JUMP,
            f"{column.subject.name}: học sinh số {student.number} có điểm trung bình học kì I"
            f" {_shown(first[student_id])}, học kì II {_shown(second[student_id])}, thay đổi khác hẳn cả lớp.",
            (
                Cell(student, column.subject, Semester.FIRST, None, _average(first[student_id])),
                Cell(student, column.subject, Semester.SECOND, None, _average(second[student_id])),
            ),
        )


def _jumping(before: Mapping[int, int], after: Mapping[int, int], limit: int) -> list[int]:
    """Students whose change reaches the limit, both by itself and relative to the class median."""
    changes = {student: after[student] - before[student] for student in before if student in after}
    if len(changes) < COLUMN_MARKS:
        return []
    usual = median(changes.values())
    return [student for student, change in changes.items() if abs(change) >= limit and abs(change - usual) >= limit]


def _all_equal(columns: Sequence[_Column]) -> Iterator[Anomaly]:
    for column in columns:
        values = set(column.marks.values())
        # In comment-only subjects a whole class usually passes.
        if len(column.marks) >= EQUAL_STUDENTS and len(values) == 1 and values != {PASS_VALUE}:
            shown = keyed_text(values.pop()).replace(".", ",")
            yield Anomaly(
                AnomalyKind.ALL_EQUAL,
                f"{column.subject.name}, cột {column.word}: cả {len(column.marks)} học sinh đều là {shown}.",
                tuple(column.cell(student) for student in column.marks),
            )


def _missing(columns: Sequence[_Column]) -> Iterator[Anomaly]:
    for column in columns:
        if column.missing:
            yield Anomaly(
                AnomalyKind.MISSING,
                f"{column.subject.name}, cột {column.word}: còn thiếu điểm của {len(column.missing)} học sinh.",
                tuple(column.cell(student) for student in column.missing),
            )


def _average(tenths: int) -> str:
    """An average as messages contain it."""
    return f"{tenths // 10}.{tenths % 10}"


def _shown(tenths: float) -> str:
    """A mark or median as people write it."""
    return f"{tenths / 10:.2f}".rstrip("0").rstrip(".").replace(".", ",")
