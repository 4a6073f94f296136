"""What looks wrong in the marks of a class: reasons to look at a paper again before a window closes, never refusals.

Pure. Thresholds are in tenths of a point and are set so that an ordinary class shows nothing: a view that cries wolf is
not read. Zeros by rule (TT 22/2021 Điều 7 khoản 3) were an explicit act and are no outliers. Who left the class is not
looked at.
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
"""Four points from the median of the student's other marks: beyond what one bad day does to marks of one subject."""
OUTLIER_CLASS = 30
"""And three points from the class's median in the column, so that a hard paper does not mark everyone."""
OUTLIER_OWN_MARKS = 3
"""Other marks that a student needs before they say anything about one."""
COLUMN_MARKS = 5
"""Marks that a column needs before its median says anything."""
JUMP_COLUMNS = 40
"""Four points from mid-term to end-term, also after the class's own change is taken off."""
JUMP_SEMESTERS = 25
"""Averages of half a year move less than single marks: two and a half points between semesters, likewise."""
REPEATED_STUDENTS = 10
"""Two columns of fewer students may agree by chance."""
REPEATED_SHARE = 0.9
"""Nearly all: after a column was keyed twice by mistake a few marks may have been corrected already."""
REPEATED_VALUES = 3
"""Columns of one or two values agree without being copies."""
EQUAL_STUDENTS = 8
"""A column of fewer students may be all equal by chance."""

Zeros = AbstractSet[tuple[int, int, int, int]]
"""Cells that are zero by rule: (subject id, semester, student id, column)."""


class Kind(IntEnum):
    """Kind of an anomaly; numbers of the proto's AnomalyKind."""

    OUTLIER = 1
    COLUMN_REPEATED = 2
    JUMP = 3
    ALL_EQUAL = 4
    MISSING = 5


class Cell(NamedTuple):
    """A cell that an anomaly is about. column: None for a semester's average. value: as shown, empty where missing."""

    student: ClassStudent
    subject: ClassSubject
    semester: Semester
    column: int | None
    value: str


class Anomaly(NamedTuple):
    """One thing to look at, with a Vietnamese sentence for the school."""

    kind: Kind
    sentence: str
    cells: tuple[Cell, ...]


class _Column(NamedTuple):
    """One column of a class.

    students: who is still in the class, by id. marks: by student id, without zeros by rule. absent: without any mark.
    """

    subject: ClassSubject
    semester: Semester
    number: int
    students: Mapping[int, ClassStudent]
    marks: Mapping[int, int]
    absent: Sequence[int]

    @property
    def word(self) -> str:
        """As teachers call it."""
        if self.number == MIDTERM_COLUMN:
            return "ĐĐGgk"
        return "ĐĐGck" if self.number == FINAL_COLUMN else f"ĐĐGtx {self.number}"

    def cell(self, student: int) -> Cell:
        """The cell of a student."""
        value = keyed_text(self.marks.get(student))
        return Cell(self.students[student], self.subject, self.semester, self.number, value)


def find(data: ClassData, semester: Semester, zeros: Zeros = frozenset()) -> list[Anomaly]:
    """Everything that looks wrong in a semester, by subject in book order, then kind.

    data: with the marks of this semester and of the one before.
    """
    second = semester is Semester.SECOND
    averages = _averages(data) if second else {}
    sheets = [_columns(data, subject, semester, zeros) for subject in data.subjects]
    found: list[Anomaly] = []
    for position, (subject, columns) in enumerate(zip(data.subjects, sheets, strict=True)):
        scored = subject.kind is SubjectKind.COMMENT_AND_SCORE
        if scored:
            found += _outliers(columns, _columns(data, subject, Semester.FIRST, zeros) if second else ())
        found += _repeated(columns, sheets[position + 1 :])
        if scored:
            found += _jumps(columns[-2], columns[-1])
        if scored and second:
            found += _semester_jumps(columns[0], *averages[subject.id])
        found += _all_equal(columns)
        found += _missing(columns)
    return found


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
    """Subject id → the averages of both semesters by student id, where both are known."""
    found: dict[int, tuple[dict[int, int], dict[int, int]]] = {subject.id: ({}, {}) for subject in data.subjects}
    for student, result in zip(data.students, class_results(data, Stage.WHOLE_YEAR), strict=True):
        for subject, one in zip(data.subjects, result.subjects, strict=True):
            for place, mark in enumerate((one.semester_1, one.semester_2)):
                if isinstance(mark, int) and not student.left:
                    found[subject.id][place][student.id] = mark
    return found


def _outliers(columns: Sequence[_Column], earlier: Sequence[_Column]) -> Iterator[Anomaly]:
    for column in columns:
        if len(column.marks) < COLUMN_MARKS:
            continue
        usual = median(column.marks.values())
        for student, mark in column.marks.items():
            if abs(mark - usual) < OUTLIER_CLASS:
                continue
            others = (other for other in (*earlier, *columns) if other is not column)
            own = [other.marks[student] for other in others if student in other.marks]
            if len(own) >= OUTLIER_OWN_MARKS and abs(mark - median(own)) >= OUTLIER_OWN:
                cell = column.cell(student)
                yield Anomaly(
                    Kind.OUTLIER,
                    f"{column.subject.name}, {column.word}: điểm {_shown(mark)} của học sinh số {cell.student.number}"
                    f" lệch nhiều so với các điểm khác của chính em (trung vị {_shown(median(own))}) và so với lớp"
                    f" (trung vị {_shown(usual)}).",
                    (cell,),
                )


def _repeated(columns: Sequence[_Column], later: Sequence[Sequence[_Column]]) -> Iterator[Anomaly]:
    for one, other in itertools.combinations(columns, 2):
        if equal := _equal(one, other):
            yield Anomaly(
                Kind.COLUMN_REPEATED,
                f"{one.subject.name}: cột {one.word} và cột {other.word} giống nhau ở {len(equal)} học sinh; có thể một"
                " cột đã được nhập hai lần.",
                _both(one, other, equal),
            )
    for one, other in itertools.product(columns, itertools.chain.from_iterable(later)):
        if one.number == other.number and (equal := _equal(one, other)):
            yield Anomaly(
                Kind.COLUMN_REPEATED,
                f"Cột {one.word} của môn {one.subject.name} và của môn {other.subject.name} giống nhau ở {len(equal)}"
                " học sinh; có thể đã nhập nhầm môn.",
                _both(one, other, equal),
            )


def _equal(one: _Column, other: _Column) -> list[int]:
    """The students with equal marks when the columns look like copies, else none."""
    both = [student for student in one.marks if student in other.marks]
    equal = [student for student in both if one.marks[student] == other.marks[student]]
    copied = (
        len(both) >= REPEATED_STUDENTS
        and len(equal) >= REPEATED_SHARE * len(both)
        and len({one.marks[student] for student in equal}) >= REPEATED_VALUES
    )
    return equal if copied else []


def _both(one: _Column, other: _Column, students: Sequence[int]) -> tuple[Cell, ...]:
    return tuple(column.cell(student) for student in students for column in (one, other))


def _jumps(midterm: _Column, final: _Column) -> Iterator[Anomaly]:
    for student in _stepping(midterm.marks, final.marks, JUMP_COLUMNS):
        before, after = midterm.cell(student), final.cell(student)
        yield Anomaly(
            Kind.JUMP,
            f"{midterm.subject.name}: học sinh số {before.student.number} có điểm giữa kì"
            f" {_shown(midterm.marks[student])}, cuối kì {_shown(final.marks[student])}, thay đổi khác hẳn cả lớp.",
            (before, after),
        )


def _semester_jumps(column: _Column, first: Mapping[int, int], second: Mapping[int, int]) -> Iterator[Anomaly]:
    for student in _stepping(first, second, JUMP_SEMESTERS):
        who = column.students[student]
        yield Anomaly(
            Kind.JUMP,
            f"{column.subject.name}: học sinh số {who.number} có điểm trung bình học kì I {_shown(first[student])},"
            f" học kì II {_shown(second[student])}, thay đổi khác hẳn cả lớp.",
            (
                Cell(who, column.subject, Semester.FIRST, None, _average(first[student])),
                Cell(who, column.subject, Semester.SECOND, None, _average(second[student])),
            ),
        )


def _stepping(before: Mapping[int, int], after: Mapping[int, int], limit: int) -> list[int]:
    """The students whose step is beyond the limit, in itself and against the class's median step."""
    steps = {student: after[student] - before[student] for student in before if student in after}
    if len(steps) < COLUMN_MARKS:
        return []
    usual = median(steps.values())
    return [student for student, step in steps.items() if abs(step) >= limit and abs(step - usual) >= limit]


def _all_equal(columns: Sequence[_Column]) -> Iterator[Anomaly]:
    for column in columns:
        values = set(column.marks.values())
        # A whole class that passes is what comment-only subjects usually show.
        if len(column.marks) >= EQUAL_STUDENTS and len(values) == 1 and values != {PASS_VALUE}:
            shown = keyed_text(values.pop()).replace(".", ",")
            yield Anomaly(
                Kind.ALL_EQUAL,
                f"{column.subject.name}, cột {column.word}: cả {len(column.marks)} học sinh đều là {shown}.",
                tuple(column.cell(student) for student in column.marks),
            )


def _missing(columns: Sequence[_Column]) -> Iterator[Anomaly]:
    for column in columns:
        if column.absent:
            yield Anomaly(
                Kind.MISSING,
                f"{column.subject.name}, cột {column.word}: còn thiếu điểm của {len(column.absent)} học sinh.",
                tuple(column.cell(student) for student in column.absent),
            )


def _average(tenths: int) -> str:
    """An average as messages carry it."""
    return f"{tenths // 10}.{tenths % 10}"


def _shown(tenths: float) -> str:
    """A mark or median as people write it."""
    return f"{tenths / 10:.2f}".rstrip("0").rstrip(".").replace(".", ",")
