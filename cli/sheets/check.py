"""Comparing a worksheet with the gradebook: problems by cell, and the cells that would change."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hoso.gradebook.v1 import common_pb2, marks_pb2, remarks_pb2

from cli.sheets import layout
from cli.sheets.layout import Column, tidy
from cli.sheets.read import BookSheet, Row
from cli.sheets.values import BadCell, comma, mark_text, remark_text
from services.gradebook.model.remark_rules import check_remark
from services.gradebook.rules import (
    BadMark,
    Comment,
    Mark,
    SemesterMarks,
    SubjectKind,
    format_mark,
    parse_mark,
    semester_average,
    semester_comment,
)

Sheet = marks_pb2.ExportMarksResponse
_KINDS = {
    common_pb2.SUBJECT_KIND_COMMENT_ONLY: SubjectKind.COMMENT_ONLY,
    common_pb2.SUBJECT_KIND_COMMENT_AND_SCORE: SubjectKind.COMMENT_AND_SCORE,
}
_WORDS = {Comment.PASS: "Đạt", Comment.NOT_PASS: "Chưa đạt"}
_TONES = {"\u0300", "\u0301", "\u0303", "\u0309", "\u0323"}


@dataclass(frozen=True, slots=True)
class Change:
    """A cell whose mark is new to the gradebook. old, new: canonical texts; new "-" withdraws the
    mark.
    """

    cell: str
    student: str
    column: Column
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class RemarkChange:
    """A cell whose remark is new to the gradebook. new "" removes the remark."""

    cell: str
    student: str
    old: str
    new: str


class Cells(NamedTuple):
    """The cells that a request came from: one per row and column of marks, one per remark."""

    marks: list[list[str]]
    remarks: list[str]


@dataclass(slots=True)
class Plan:
    """The changes that a worksheet would make to the gradebook's sheet."""

    target: Sheet
    changes: list[Change] = field(default_factory=list)
    remarks: list[RemarkChange] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many cells would change."""
        return len(self.changes) + len(self.remarks)

    def request(self, request_id: str, person_token: str) -> tuple[marks_pb2.ImportMarksRequest, Cells]:
        """The changes as one request of ImportMarks, and the cells that they came from."""
        columns = sorted({change.column for change in self.changes})
        by_student: dict[str, dict[Column, Change]] = {}
        for change in self.changes:
            by_student.setdefault(change.student, {})[change.column] = change
        rows, cells = [], []
        for student, student_changes in by_student.items():
            rows.append(
                marks_pb2.MarkRow(
                    student=student,
                    values=[student_changes[column].new if column in student_changes else "" for column in columns],
                )
            )
            cells.append([student_changes[column].cell if column in student_changes else "" for column in columns])
        sheet = marks_pb2.EnterMarksRequest(
            request_id=request_id,
            school_class=self.target.school_class,
            subject=self.target.subject,
            semester=self.target.semester,
            columns=[
                marks_pb2.MarkColumn(kind=common_pb2.MarkKind.ValueType(column.kind), position=column.position)
                for column in columns
            ],
            rows=rows,
        )
        remarks = [remarks_pb2.RemarkRow(student=change.student, text=change.new) for change in self.remarks]
        request = marks_pb2.ImportMarksRequest(sheet=sheet, person_token=person_token, remarks=remarks)
        return request, Cells(cells, [change.cell for change in self.remarks])


def check(sheet: BookSheet, target: Sheet, elsewhere: Mapping[str, str]) -> Plan:
    """The worksheet's changes; problems go to its findings.

    elsewhere: student id → class name, for the known students of other classes.
    """
    plan = Plan(target)
    kind = _KINDS[target.subject_kind]
    listed = {row.marks.student: row for row in target.rows}
    allowed = _columns(sheet, target)
    lines: dict[str, Row] = {}
    for row in sheet.rows:
        code = _student(row, listed)
        if code is None:
            _unknown(sheet, row, target, elsewhere)
        elif code in lines:
            message = f"học sinh {row.code} có hai dòng (xem ô {lines[code].code_cell})."
            sheet.findings.error(row.code_cell, "DUPLICATE_STUDENT", message)
        else:
            lines[code] = row
            _identity(sheet, row, listed[code])
            _marks(sheet, row, listed[code], allowed=allowed, kind=kind, plan=plan)
            _remark(sheet, row, listed[code], plan)
    absent = [row.name for code, row in listed.items() if code not in lines and not row.left]
    if absent:
        names = ", ".join(absent[:3]) + ("…" if len(absent) > 3 else "")
        sheet.findings.warn("", "STUDENTS_MISSING", f"thiếu {len(absent)} học sinh của lớp: {names}.")
    return plan


def _columns(sheet: BookSheet, target: Sheet) -> set[Column]:
    """The subject's columns in the semester; the worksheet may have others as long as they are
    empty.
    """
    allowed = {Column(layout.REGULAR, position) for position in range(1, target.regular_count + 1)}
    allowed |= {Column(layout.MIDTERM), Column(layout.FINAL)}
    if target.semester == common_pb2.SEMESTER_SECOND:
        allowed.add(Column(layout.REASSESSMENT))
    for column in sheet.columns:
        if column in allowed:
            continue
        used = next(
            (row.cells[column][0] for row in sheet.rows if row.cells.get(column, ("", None))[1] is not None), ""
        )
        if used:
            message = (
                f"môn này có {target.regular_count} cột đánh giá thường xuyên mỗi học kì, không có cột {column.title}."
                if column.kind == layout.REGULAR
                else f"học kì này không có cột {column.title}."
            )
            sheet.findings.error(used, "COLUMN_NOT_ALLOWED", message)
    return allowed


def _student(row: Row, listed: Mapping[str, marks_pb2.ExportedRow]) -> str | None:
    """The student's id as in the gradebook, with the leading zeros that Excel dropped."""
    if row.code in listed:
        return row.code
    if row.code.isdigit():
        same = [code for code in listed if code.isdigit() and int(code) == int(row.code)]
        return same[0] if len(same) == 1 else None
    return None


def _unknown(sheet: BookSheet, row: Row, target: Sheet, elsewhere: Mapping[str, str]) -> None:
    other = elsewhere.get(row.code)
    if other:
        message = f"học sinh {row.code} thuộc lớp {other}, không thuộc lớp {target.school_class.name}."
        sheet.findings.error(row.code_cell, "WRONG_CLASS", message)
    else:
        message = f"không có học sinh mang mã {row.code} trong lớp {target.school_class.name}."
        sheet.findings.error(row.code_cell, "STUDENT_UNKNOWN", message)


def _identity(sheet: BookSheet, row: Row, known: marks_pb2.ExportedRow) -> None:
    if row.name and name_key(row.name) != name_key(known.name):
        message = f"họ tên «{row.name}» khác danh sách lớp: mã {known.marks.student} là «{known.name}»."
        sheet.findings.error(row.name_cell, "NAME_DIFFERS", message)
    if row.birth and row.birth != known.birth_date:
        shown = "/".join(reversed(known.birth_date.split("-")))
        sheet.findings.warn(row.birth_cell, "BIRTH_DATE_DIFFERS", f"ngày sinh khác danh sách lớp ({shown}).")


def name_key(name: str) -> tuple[tuple[str, ...], ...]:
    """A name for comparison: without case, the tone on either vowel («Hoà» is «Hòa»)."""
    words = []
    for word in tidy(name).casefold().split(" "):
        letters = unicodedata.normalize("NFD", word)
        tones = sorted(c for c in letters if c in _TONES)
        words.append(("".join(c for c in letters if c not in _TONES), *tones))
    return tuple(words)


def _marks(
    sheet: BookSheet,
    row: Row,
    known: marks_pb2.ExportedRow,
    *,
    allowed: set[Column],
    kind: SubjectKind,
    plan: Plan,
) -> None:
    current = _current_texts(known)
    bad = False
    for column, (cell, value) in row.cells.items():
        if column not in allowed:
            continue
        try:
            new = mark_text(value, kind)
        except BadCell as e:
            sheet.findings.error(cell, e.rule, str(e))
            bad = True
            continue
        old = current.get(column, "")
        if new == "" and old:
            message = f"ô trống, giữ điểm {_shown(old)} đã có; ghi dấu «-» nếu muốn rút điểm."
            sheet.findings.note(cell, "MARK_KEPT", message)
        elif new and new != old and known.left:
            sheet.findings.error(cell, "STUDENT_LEFT", "học sinh đã rời lớp nên không nhập, không sửa điểm.")
        elif new and new != old and not (new == "-" and not old):
            plan.changes.append(Change(cell, known.marks.student, column, old, new))
            current[column] = "" if new == "-" else new
    if row.average and not bad:
        _average(sheet, row.average, current, plan.target.regular_count, kind)


def _remark(sheet: BookSheet, row: Row, known: marks_pb2.ExportedRow, plan: Plan) -> None:
    """The teacher's remark; the gradebook allows remarks on students who left the class."""
    cell, value = row.remark or ("", None)
    try:
        new = remark_text(value, known.remark)
    except BadCell as e:
        sheet.findings.error(cell, e.rule, str(e))
        return
    if new is None:
        if not tidy(str(value or "")) and cell and known.remark:
            message = "ô trống, giữ nhận xét đã có; ghi dấu «-» nếu muốn bỏ nhận xét."
            sheet.findings.note(cell, "REMARK_KEPT", message)
        return
    for wrong in check_remark("remark", new):
        sheet.findings.error(cell, wrong.rule, f"nhận xét không hợp lệ: {wrong.message[:1].lower()}{wrong.message[1:]}")
    plan.remarks.append(RemarkChange(cell, known.marks.student, known.remark, new))


def _current_texts(known: marks_pb2.ExportedRow) -> dict[Column, str]:
    texts = {Column(layout.REGULAR, position): text for position, text in enumerate(known.marks.regular, 1)}
    texts |= {
        Column(layout.MIDTERM): known.marks.midterm,
        Column(layout.FINAL): known.marks.final,
        Column(layout.REASSESSMENT): known.marks.reassessed,
    }
    return texts


def _average(
    sheet: BookSheet,
    average: tuple[str, object],
    current: Mapping[Column, str],
    regular_count: int,
    kind: SubjectKind,
) -> None:
    """Warn when the worksheet's average differs from that of the rules (TT 22/2021 Điều 9)."""
    cell, value = average
    texts = [current.get(Column(layout.REGULAR, position), "") for position in range(1, regular_count + 1)]
    texts += [current.get(Column(layout.MIDTERM), ""), current.get(Column(layout.FINAL), "")]
    marks: Sequence[Mark | None] = [_parse(kind, text) for text in texts]
    row = SemesterMarks(marks[:-2], marks[-2:-1], marks[-1])
    expected: int | Comment | None
    if kind is SubjectKind.COMMENT_ONLY:
        expected = semester_comment(row, regular_count)
    else:
        expected = semester_average(row, regular_count)
    if expected is None or _agrees(value, expected):
        return
    shown = comma(value) if isinstance(value, float | int) else tidy(str(value))
    message = f"kết quả học kì ghi {shown}, theo Điều 9 Thông tư 22/2021 là {_shown(format_mark(expected))}."
    sheet.findings.warn(cell, "AVERAGE_DIFFERS", message)


def _agrees(value: object, expected: Mark) -> bool:
    """Whether a worksheet's result is the expected one; a number that Excel shows rounded may
    differ.
    """
    if isinstance(expected, Comment):
        return layout.plain(str(value)) in {layout.plain(expected.value), layout.plain(_WORDS[expected])}
    if isinstance(value, float | int):
        return abs(value * 10 - expected) <= 0.5 + 1e-6
    return _parse(SubjectKind.COMMENT_AND_SCORE, tidy(str(value))) == expected


def _parse(kind: SubjectKind, text: str) -> Mark | None:
    try:
        return parse_mark(kind, text)
    except BadMark:
        return None


def _shown(text: str) -> str:
    return text.replace(".", ",")
