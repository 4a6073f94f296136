"""Frozen content of a student register (docs/formats/student-register-1.schema.json). Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from services.common.canonical import canonical_bytes
from services.gradebook.books.content.signatures import Signs, seal_of, signatories
from services.gradebook.model.catalogue import RecordBook, SignatoryRole, record_book, regime
from services.gradebook.model.domain import Guardian, RecordType, School, SchoolLevel, Sex, Stage, Student
from services.gradebook.model.movement_rules import Decision, Details, EnrolmentStatus, MovementKind, StudentState
from services.gradebook.model.results import NamedPerson
from services.gradebook.model.times import vietnam_time

MAX_ROWS, MAX_MOVEMENTS, MAX_CLASSES = 6000, 60, 16
"""Limits of the register's schema."""

_MAX_DETAIL = 300
_MAX_PAPERS = 200
_KINDS = {
    MovementKind.ENROLLED: "ENTERED",
    MovementKind.GRADUATED: "COMPLETED",
}
_LEFT_REASONS = {
    StudentState.TRANSFERRED_OUT: "TRANSFERRED",
    StudentState.WITHDRAWN: "WITHDRAWN",
    StudentState.GRADUATED: "COMPLETED",
}


@dataclass(frozen=True, slots=True)
class RegisterFacts:
    """Everything the register states apart from its rows."""

    school: School
    school_year: str
    principal: NamedPerson
    data_officer: NamedPerson
    version: int
    closing_time: datetime


class ClassYear(NamedTuple):
    """A student's class in one school year.

    result: promotion as in the class book; None without one.
    """

    school_year: str
    name: str
    result: str | None


class Move(NamedTuple):
    """A movement as printed in the register."""

    kind: MovementKind
    day: date
    decision: Decision | None
    reason: str
    other_school: str
    from_class: str
    to_class: str


@dataclass(frozen=True, slots=True)
class RegisterLine:
    """A student in the register.

    standing: after the movements. left_on: day of leaving; None while at the school.
    """

    number: int
    personal: Student
    entered_on: date
    details: Details
    classes: Sequence[ClassYear]
    moves: Sequence[Move]
    standing: EnrolmentStatus
    left_on: date | None


def student_register(lines: Sequence[RegisterLine], facts: RegisterFacts) -> bytes:
    """The canonical bytes of a register.

    lines: in the order of register numbers, within the limits above.
    """
    level = SchoolLevel(facts.school.level)
    # The register of every level has the same format and signatories.
    record = record_book(RecordType.STUDENT_REGISTER, facts.school_year, SchoolLevel.LOWER_SECONDARY)
    return canonical_bytes(
        {
            "format": record.format,
            "record_type": record.record_type.name,
            "school_year": facts.school_year,
            "stage": Stage.WHOLE_YEAR.name,
            "version": facts.version,
            "regime": regime(facts.school_year, min(level.grades)),
            "closing_time": vietnam_time(facts.closing_time),
            "school": {**asdict(facts.school), "level": level.name},
            "principal": asdict(facts.principal),
            "data_officer": asdict(facts.data_officer),
            "rows": [_row(line) for line in lines],
            # No reason or approval is recorded for corrected details
            # (docs/formats/student-register-1.md).
            "corrections": [],
            "signatories": _signatories(record, facts),
        }
    )


def _row(line: RegisterLine) -> Mapping[str, Any]:
    personal, details = line.personal, line.details
    return {
        "register_number": str(line.number),
        "moet_student_id": personal.moet_student_id,
        "name": personal.name,
        "sex": Sex(personal.sex).name,
        "birth_date": personal.birth_date,
        "birth_place": personal.birth_place,
        "ethnicity": personal.ethnicity,
        "nationality": details.nationality,
        "priority": personal.priority,
        "national_id": details.national_id,
        "father": _guardian(personal.father),
        "mother": _guardian(personal.mother),
        "guardian": _guardian(details.guardian),
        "address": personal.address,
        "entered_on": line.entered_on.isoformat(),
        "from_school": details.from_school,
        "classes": [
            {"school_year": class_year.school_year, "class": class_year.name, "result": class_year.result}
            for class_year in line.classes
        ],
        "left_on": line.left_on.isoformat() if line.left_on else None,
        "left_reason": _LEFT_REASONS[line.standing.state] if line.left_on else None,
        "returned_papers": _papers(line),
        "note": details.note,
        "movements": [_movement(move) for move in line.moves if move.kind is not MovementKind.PAPERS_RETURNED],
    }


def _papers(line: RegisterLine) -> str:
    """Which papers were returned after the student left, and when."""
    if not line.standing.papers:
        return ""
    last = next(move for move in reversed(line.moves) if move.kind is MovementKind.PAPERS_RETURNED)
    return _clipped(f"Ngày {last.day:%d/%m/%Y}" + (f": {last.reason}" if last.reason else ""), _MAX_PAPERS)


def _movement(move: Move) -> Mapping[str, Any]:
    if move.kind is MovementKind.CLASS_CHANGED:
        place = f"Từ {move.from_class} sang {move.to_class}"
    else:
        place = move.other_school or move.to_class
    return {
        "date": move.day.isoformat(),
        "kind": _KINDS.get(move.kind, move.kind.name),
        "detail": _clipped("; ".join(filter(None, (place, move.reason))), _MAX_DETAIL),
        "document": f"{move.decision.number} ngày {move.decision.date:%d/%m/%Y}" if move.decision else "",
    }


def _signatories(record: RecordBook, facts: RegisterFacts) -> list[dict[str, Any]]:
    listed = [
        Signs(SignatoryRole.DATA_OFFICER, facts.data_officer),
        Signs(SignatoryRole.PRINCIPAL, facts.principal),
        seal_of(facts.school),
    ]
    return signatories(record, listed)


def _guardian(guardian: Guardian | None) -> Mapping[str, str] | None:
    return None if guardian is None else asdict(guardian)


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"
