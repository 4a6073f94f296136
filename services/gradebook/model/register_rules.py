"""Checks of rows of the student register and of movements, before any query.

Pure except for today's date.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.common.vietnam import today
from services.gradebook.model import roster_rules
from services.gradebook.model.checks import Findings
from services.gradebook.model.movement_rules import WITHOUT_DECISION, Decision, Details, MovementKind, in_year

MAX_ROWS = 200
"""Most students in one call of RegisterStudents."""
_NATIONAL_ID = re.compile(r"[0-9]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST_DAY = date(1990, 1, 1)
_TRANSFERS = frozenset({MovementKind.TRANSFERRED_IN, MovementKind.TRANSFERRED_OUT})
_JOINING = frozenset({MovementKind.CLASS_CHANGED, MovementKind.RETURNED})


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """A student to be given a register number. entered_on: ISO 8601."""

    student: str
    entered_on: str
    details: Details


@dataclass(frozen=True, slots=True)
class MovementRequest:
    """A movement as requested.

    day: ISO 8601. decision: number and ISO 8601 date; None when not given.
    other_school: code of the other school of a transfer, if it is in this deployment; other_name:
    its name, if it is outside.
    """

    student: str
    kind: int
    day: str
    decision: tuple[str, str] | None
    reason: str
    to_class: str = ""
    other_school: str = ""
    other_name: str = ""


@dataclass(frozen=True, slots=True)
class CheckedMovement:
    """A movement with valid values; fields as in MovementRequest."""

    student: str
    kind: MovementKind
    day: date
    decision: Decision | None
    reason: str
    to_class: str
    other_school: str
    other_name: str


def check_rows(rows: Sequence[RegisterRow]) -> list[date]:
    """Check the rows and return the days of entering. Raises Invalid."""
    findings = Findings()
    days = []
    if findings.count("rows", len(rows), 1, MAX_ROWS):
        for index, row in enumerate(rows):
            where = f"rows[{index}]"
            findings.code(f"{where}.student", row.student)
            days.append(_day(findings, f"{where}.entered_on", row.entered_on))
            check_details(findings, f"{where}.details", row.details)
        findings.unique("rows", [row.student for row in rows], "Một học sinh có hai dòng.")
    findings.refuse()
    return days


def check_details(findings: Findings, where: str, details: Details) -> None:
    """Check a student's details for the register. where: the field that holds them."""
    if details.national_id and not _NATIONAL_ID.fullmatch(details.national_id):
        findings.add(f"{where}.national_id", "NATIONAL_ID", "Số định danh cá nhân gồm đúng 12 chữ số.")
    findings.text(f"{where}.nationality", details.nationality, longest=50)
    roster_rules.check_guardian(findings, f"{where}.guardian", details.guardian)
    findings.text(f"{where}.from_school", details.from_school, longest=150, shortest=0)
    findings.text(f"{where}.note", details.note, longest=200, shortest=0)


def check_movement(
    findings: Findings, request: MovementRequest, school: str, school_year: str, other_field: str = ""
) -> CheckedMovement:
    """Check a movement; call `findings.refuse` before using the result.

    other_field: the request's field for the other school of a transfer, such as ``to_school``;
        empty for other movements.
    """
    findings.code("student", request.student)
    allowed = _TRANSFERS if other_field else set(MovementKind) - _TRANSFERS
    findings.one_of("kind", request.kind, allowed)
    kind = MovementKind(request.kind) if request.kind in allowed else MovementKind.ENROLLED
    day = _day(findings, "date", request.day)
    if day != date.min and not in_year(day, school_year):
        findings.add("date", "DATE_OUTSIDE_YEAR", f"Ngày phải thuộc năm học {school_year}.")
    decision = _decision(findings, request.decision, required=kind not in WITHOUT_DECISION)
    findings.text("reason", request.reason, longest=200, shortest=0)
    _check_to_class(findings, request.to_class, kind)
    if other_field:
        _check_other_school(findings, request, school, other_field)
    return CheckedMovement(
        student=request.student,
        kind=kind,
        day=day,
        decision=decision,
        reason=request.reason,
        to_class=request.to_class,
        other_school=request.other_school,
        other_name=request.other_name,
    )


def _check_to_class(findings: Findings, to_class: str, kind: MovementKind) -> None:
    if kind is MovementKind.CLASS_CHANGED or (to_class and kind in _JOINING | _TRANSFERS):
        findings.text("to_class", to_class, longest=20)
    elif to_class:
        findings.add("to_class", "NOT_ALLOWED", "Biến động này không có lớp đến.")


def _check_other_school(findings: Findings, request: MovementRequest, school: str, field: str) -> None:
    if bool(request.other_school) == bool(request.other_name):
        findings.add(field, "ONE_SCHOOL", "Phải nêu mã trường (trong hệ thống) hoặc tên trường (ngoài hệ thống).")
    elif request.other_school:
        findings.code(field, request.other_school)
        if request.other_school == school:
            findings.add(field, "SAME_SCHOOL", "Trường kia phải khác trường này.")
    else:
        findings.text(f"{field}_name", request.other_name, longest=150)


def _decision(findings: Findings, decision: tuple[str, str] | None, *, required: bool) -> Decision | None:
    if decision is None:
        if required:
            findings.add("decision", "REQUIRED", "Biến động này phải có số và ngày của quyết định.")
        return None
    number, day = decision
    findings.text("decision.number", number, longest=50)
    return Decision(number, _day(findings, "decision.date", day))


def _day(findings: Findings, field: str, value: str) -> date:
    """An existing day from 1990 on, not in the future; else date.min, and a violation is added."""
    try:
        day = date.fromisoformat(value) if _DATE.fullmatch(value) else date.min
    except ValueError:
        day = date.min
    if not _FIRST_DAY <= day <= today():
        findings.add(field, "DATE", "Phải là ngày có thật, dạng 2026-01-19, không sau hôm nay.")
        return date.min
    return day
