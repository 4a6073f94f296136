"""Reading a mark sheet: columns, students and marks of one class, subject and semester, checked all
at once.

Most cells are resolved by a single dictionary look-up; only unknown text is parsed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from services.common.errors import Violation
from services.gradebook.model.checks import refuse
from services.gradebook.model.domain import (
    NOT_PASS_VALUE,
    NOT_SAT_VALUE,
    PASS_VALUE,
    REASSESSMENT_COLUMN,
    MarkKind,
    Semester,
    column_name,
    column_number,
)
from services.gradebook.rules import SCORES, BadMark, Comment, SubjectKind, parse_mark

MAX_COLUMNS = 12
MAX_ROWS = 1000

WITHDRAWN = -1
_LEAVE = -2

_KINDS = frozenset(MarkKind)
_SCORE_VALUES: dict[str, int] = {**SCORES, "": _LEAVE, "-": WITHDRAWN}
_COMMENT_VALUES: dict[str, int] = {"Đ": PASS_VALUE, "CĐ": NOT_PASS_VALUE, "": _LEAVE, "-": WITHDRAWN}


@dataclass(slots=True)
class Cells:
    """The cells to write, as three lists of equal length; the value WITHDRAWN removes a mark."""

    students: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)


class CellState(NamedTuple):
    """What a cell holds now. value: None when its mark was withdrawn."""

    value: int | None
    zero_by_rule: bool
    version: int


@dataclass(slots=True)
class Changes:
    """What a sheet changes: cells that never had a mark, and cells with one, to be replaced by
    their next version.
    """

    fresh: Cells
    replaced: Cells
    versions: list[int]

    @property
    def count(self) -> int:
        """How many cells get a version."""
        return len(self.fresh.values) + len(self.replaced.values)


def changes(cells: Cells, before: Mapping[tuple[int, int], CellState], *, settle: bool) -> Changes:
    """The cells that differ from what they hold. before: by (student id, column number).

    settle: values are zeros by rule, which only go where there is no mark.
    """
    if not before and WITHDRAWN not in cells.values:
        return Changes(cells, Cells(), [])
    changed = Changes(Cells(), Cells(), [])
    for student, column, value in zip(cells.students, cells.columns, cells.values, strict=True):
        now = before.get((student, column))
        if now is None:
            target = None if value == WITHDRAWN else changed.fresh
        elif settle:
            target = changed.replaced if now.value is None else None
        else:
            wanted = None if value == WITHDRAWN else value
            target = None if (now.value, now.zero_by_rule) == (wanted, False) else changed.replaced
        if target is None:
            continue
        target.students.append(student)
        target.columns.append(column)
        target.values.append(value)
        if now is not None:
            changed.versions.append(now.version + 1)
    return changed


@dataclass(frozen=True, slots=True)
class SheetShape:
    """What a sheet may hold. regular_count: regular marks of the subject in the semester.

    students: moet_student_id → id of those in the class; left: moet_student_id of those who left
    it.
    """

    kind: SubjectKind
    regular_count: int
    students: Mapping[str, int]
    left: Collection[str]


def read_sheet(
    shape: SheetShape,
    columns: Sequence[tuple[int, int]],
    rows: Collection[tuple[str, Sequence[str]]],
    student_field: str = "rows[{}].student",
) -> tuple[list[int], Cells]:
    """Column numbers and cells of a sheet. Raises Invalid with everything that is wrong with it.

    columns: (kind, position); rows: moet_student_id and one value per column.
    """
    numbers, violations = read_columns(columns, shape.regular_count)
    # With a wrong column the values cannot be matched to columns; say so before complaining of
    # every row.
    refuse(violations)
    cells, violations = read_rows(
        rows, numbers, shape.students, shape.kind, student_field=student_field, left=shape.left
    )
    refuse(violations)
    return numbers, cells


def read_marks(
    shape: SheetShape,
    columns: Sequence[tuple[int, int]],
    rows: Collection[tuple[str, Sequence[str]]],
    semester: int,
) -> tuple[list[int], Cells]:
    """As `read_sheet`, of a sheet of the semester that is entered.

    Raises Invalid also as `check_reassessment` says.
    """
    numbers, cells = read_sheet(shape, columns, rows)
    refuse(check_reassessment(numbers, semester))
    return numbers, cells


def read_columns(
    columns: Sequence[tuple[int, int]], regular_count: int, column_field: str = "columns[{}]"
) -> tuple[list[int], list[Violation]]:
    """Column numbers of (kind, position) pairs, and what is wrong with them.

    regular_count: regular marks that the subject needs in a semester; a position beyond it is
    refused, because the book has no such column (TT 22/2021 Điều 6 khoản 2). column_field: how
    violations name a column's place in the request.
    """
    if not 1 <= len(columns) <= MAX_COLUMNS:
        message = f"Phải có từ 1 đến {MAX_COLUMNS} cột điểm."
        return [], [Violation("columns", "COLUMN_COUNT", message)]
    numbers: list[int] = []
    violations: list[Violation] = []
    for index, (number, position) in enumerate(columns):
        where = column_field.format(index)
        if number not in _KINDS:
            violations.append(Violation(f"{where}.kind", "MARK_KIND", "Loại điểm không có trong quy định."))
            continue
        mark_kind = MarkKind(number)
        if mark_kind is MarkKind.REGULAR and not 1 <= position <= regular_count:
            message = f"Môn này có {regular_count} cột đánh giá thường xuyên mỗi học kì."
            violations.append(Violation(f"{where}.position", "REGULAR_POSITION", message))
            continue
        if mark_kind is not MarkKind.REGULAR and position != 0:
            message = "Chỉ cột đánh giá thường xuyên có số thứ tự."
            violations.append(Violation(f"{where}.position", "POSITION_NOT_ALLOWED", message))
            continue
        column = column_number(mark_kind, position)
        if column in numbers:
            violations.append(Violation(where, "DUPLICATE_COLUMN", f"Cột {column_name(column)} có hai lần."))
        numbers.append(column)
    return numbers, violations


def check_reassessment(columns: Sequence[int], semester: int) -> list[Violation]:
    """What is wrong with a re-assessment column: it is of semester II, and stands alone, because
    marks of the semester are entered before the year is locked and re-assessments after it.

    columns: numbers.
    """
    if REASSESSMENT_COLUMN not in columns:
        return []
    if semester != Semester.SECOND:
        return [Violation("semester", "REASSESSMENT_SEMESTER", "Kết quả đánh giá lại thuộc bảng điểm học kì II.")]
    if len(columns) > 1:
        message = "Cột đánh giá lại phải gửi riêng, không kèm cột khác."
        return [Violation("columns", "REASSESSMENT_ALONE", message)]
    return []


def read_rows(
    rows: Collection[tuple[str, Sequence[str]]],
    columns: Sequence[int],
    students: Mapping[str, int],
    kind: SubjectKind,
    *,
    student_field: str = "rows[{}].student",
    left: Collection[str] = (),
) -> tuple[Cells, list[Violation]]:
    """The cells of a sheet, and everything that is wrong with it.

    rows: moet_student_id and one value per column; students: moet_student_id → id of those in the
    class; student_field: how violations name a student's place in the request; left:
    moet_student_id of those who left the class.
    """
    cells = Cells()
    violations: list[Violation] = []
    width = len(columns)
    table = _SCORE_VALUES if kind is SubjectKind.COMMENT_AND_SCORE else _COMMENT_VALUES
    if REASSESSMENT_COLUMN in columns:
        table = {**table, "V": NOT_SAT_VALUE}
    full = _full_sheet(rows, columns, students, table)
    if full is not None:
        return full, []
    seen: set[int] = set()
    for index, (name, texts) in enumerate(rows):
        student = students.get(name)
        if student is None or student in seen:
            violations.append(_bad_student(name, student, student_field.format(index), left))
            continue
        seen.add(student)
        if len(texts) != width:
            message = f"Dòng có {len(texts)} giá trị, cần đúng {width} giá trị theo số cột."
            violations.append(Violation(f"rows[{index}].values", "VALUE_COUNT", message))
            continue
        values = list(map(table.get, texts))
        if None in values:
            values = [
                _explain(text, value, kind, f"rows[{index}].values[{j}]", violations)
                for j, (text, value) in enumerate(zip(texts, values, strict=True))
            ]
        if _LEAVE in values:
            kept = [(column, value) for column, value in zip(columns, values, strict=True) if value != _LEAVE]
            cells.columns += [column for column, _ in kept]
            cells.values += [value for _, value in kept if value is not None]
            cells.students += [student] * len(kept)
        else:
            cells.columns += columns
            cells.values += values  # type: ignore[arg-type]  # None was replaced above
            cells.students += [student] * width
    return cells, violations


def _full_sheet(
    rows: Collection[tuple[str, Sequence[str]]],
    columns: Sequence[int],
    students: Mapping[str, int],
    table: Mapping[str, int],
) -> Cells | None:
    """The cells of a sheet with a value in the table for every cell, as most are;

    None for any other, good or bad.
    """
    ids = [students.get(name) for name, _ in rows]
    values = [table.get(text) for _, texts in rows for text in texts]
    if (
        None in ids
        or None in values
        or _LEAVE in values
        or len(set(ids)) < len(ids)
        or any(len(texts) != len(columns) for _, texts in rows)
    ):
        return None
    known = cast("list[int]", ids)
    return Cells([student for student in known for _ in columns], list(columns) * len(ids), cast("list[int]", values))


def read_student(
    name: str,
    students: Mapping[str, int],
    seen: set[int],
    where: str,
    violations: list[Violation],
    *,
    left: Collection[str] = (),
) -> int | None:
    """The id of a student who is in the class and has not been seen in this request; else None and
    a violation.
    """
    student = students.get(name)
    if student is None or student in seen:
        violations.append(_bad_student(name, student, where, left))
        return None
    seen.add(student)
    return student


def _bad_student(name: str, student: int | None, where: str, left: Collection[str]) -> Violation:
    """Why a line's student, who is not in the class or was seen before, is refused."""
    if student is not None:
        return Violation(where, "DUPLICATE_STUDENT", "Học sinh này có hai dòng trong yêu cầu.")
    if name in left:
        return Violation(where, "STUDENT_LEFT", "Học sinh đã rời lớp nên không nhập thêm được.")
    return Violation(where, "STUDENT_UNKNOWN", "Không có học sinh mang mã này trong lớp.")


def _explain(text: str, value: int | None, kind: SubjectKind, where: str, violations: list[Violation]) -> int:
    """The value of a text that the table does not know, or _LEAVE and a violation."""
    if value is not None:
        return value
    try:
        mark = parse_mark(kind, text)
    except BadMark as e:
        violations.append(Violation(where, e.rule, str(e)))
        return _LEAVE
    if isinstance(mark, Comment):
        return PASS_VALUE if mark is Comment.PASS else NOT_PASS_VALUE
    return mark
