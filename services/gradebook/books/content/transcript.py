"""Frozen content of a transcript (docs/formats/transcript-1.md).

The row of the year comes from the class book, whose lists the subject teachers have signed; rows of
earlier years are copied unchanged from the student's earlier transcripts (ADR-0036).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from services.common.canonical import canonical_bytes
from services.common.errors import Rejected
from services.gradebook.books.content.corrections import ATTENDANCE
from services.gradebook.books.content.signatures import Signs, seal_of, signatories
from services.gradebook.model.catalogue import RecordBook, SignatoryRole
from services.gradebook.model.domain import Guardian, School, SchoolLevel, Stage
from services.gradebook.model.results import NamedPerson
from services.gradebook.model.times import vietnam_time

Json = Mapping[str, Any]
"""A part of parsed frozen content."""

MAX_HISTORY = 12
"""Limit of the schema: how many of the newest lines of the study history are kept."""

_PASSED = ("PROMOTED", "PROGRAMME_COMPLETED")
_LAST_GRADES = {SchoolLevel.LOWER_SECONDARY.name: range(6, 10), SchoolLevel.UPPER_SECONDARY.name: range(10, 13)}


@dataclass(frozen=True, slots=True)
class Source:
    """A frozen class book.

    content: parsed. locked_time: when the principal locked it and so approved its results.
    """

    book: str
    version: int
    content_sha256: bytes
    record: str
    content: Json
    locked_time: datetime

    def with_record(self, record: str) -> "Source":
        """The same source with another archive record; empty before the archive took it."""
        return replace(self, record=record)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the register states about the student; all empty if they are not in it."""

    register_number: str = ""
    national_id: str = ""
    nationality: str = ""
    guardian: Guardian | None = None


@dataclass(frozen=True, slots=True)
class TranscriptFacts:
    """Everything a transcript states apart from the class book.

    absences: excused and unexcused sessions, used where the class book has only their sum.
    remarks: subject code → the subject teacher's remark.
    certificates, competition: as entered, empty if none.
    places: this year's lines of the study history.
    earlier: the earlier transcripts, parsed, one per school year, oldest first.
    """

    homeroom_teacher: NamedPerson
    principal: NamedPerson
    stage: Stage
    version: int
    identity: Identity
    absences: tuple[int, int] | None
    remarks: Mapping[str, str]
    homeroom_remark: str
    certificates: str
    competition: str
    places: Sequence[Json]
    earlier: Sequence[Json]


def numbers(content: Json, stage: Stage) -> dict[str, int]:
    """moet_student_id → number of the students who get a transcript of the stage, by number.

    Students who left during the year get none. After the summer, only students with summer training
    or a re-assessment get one.
    """
    chosen = {}
    for student, evaluation in zip(content["students"], content["year"]["evaluation"], strict=True):
        if evaluation["promotion"] is None:
            continue
        if stage is Stage.AFTER_SUMMER and not _had_summer(content, student["number"], evaluation):
            continue
        chosen[student["moet_student_id"]] = student["number"]
    return chosen


def transcript(record: RecordBook, source: Source, number: int, facts: TranscriptFacts) -> bytes:
    """The canonical bytes of the transcript of one student.

    number: the student's in the class book's list.
    Raises Rejected SOURCE_DIFFERS when the absences given do not add up to the class book's sum.
    """
    content = source.content
    school, level = content["school"], content["school"]["level"]
    row = _grade(source, number, facts)
    corrections = _corrections(content, number)
    listed = [
        Signs(SignatoryRole.HOMEROOM_TEACHER, facts.homeroom_teacher),
        Signs(SignatoryRole.PRINCIPAL, facts.principal),
        seal_of(School(**{**school, "level": SchoolLevel[level]})),
    ]
    return canonical_bytes(
        {
            "format": record.format,
            "record_type": record.record_type.name,
            "school_year": content["school_year"],
            "stage": facts.stage.name,
            "version": facts.version,
            "regime": content["regime"],
            "closing_time": vietnam_time(source.locked_time),
            "school": school,
            "principal": asdict(facts.principal),
            "student": _student(content["students"][number - 1], facts.identity),
            "study_history": [*_history(facts.earlier, content["school_year"]), *facts.places][-MAX_HISTORY:],
            "grades": [*_earlier_grades(facts.earlier, row, level), row],
            "corrections": corrections,
            "signatories": signatories(record, listed),
        }
    )


def _had_summer(content: Json, number: int, evaluation: Json) -> bool:
    if evaluation["conduct_after_summer"] is not None or evaluation["learning_after_summer"] is not None:
        return True
    return any(sheet["rows"][number - 1]["reassessed"] is not None for sheet in content["semesters"][1]["marks"])


def _student(student: Json, identity: Identity) -> dict[str, Any]:
    return {
        **{name: value for name, value in student.items() if name not in ("number", "note")},
        "register_number": identity.register_number,
        "national_id": identity.national_id,
        "nationality": identity.nationality,
        "guardian": None if identity.guardian is None else asdict(identity.guardian),
    }


def _grade(source: Source, number: int, facts: TranscriptFacts) -> dict[str, Any]:
    content = source.content
    corrections = _corrections(content, number)
    corrected = {correction["subject"] for correction in corrections}
    evaluation = content["year"]["evaluation"][number - 1]
    after_summer = facts.stage is Stage.AFTER_SUMMER
    return {
        "school_year": content["school_year"],
        "grade_level": content["class"]["grade_level"],
        "class": content["class"]["name"],
        "school": {name: content["school"][name] for name in ("code", "name", "commune", "province")},
        "regime": content["regime"],
        "stage": facts.stage.name,
        "homeroom_teacher": asdict(facts.homeroom_teacher),
        "principal": asdict(facts.principal),
        "subjects": [
            _subject(content, position, number, facts.remarks) for position in range(len(content["subjects"]))
        ],
        "corrections_count": len(corrections),
        "corrected_subjects": [subject["code"] for subject in content["subjects"] if subject["code"] in corrected],
        "conduct": _levels(content, number, "conduct"),
        "learning": _levels(content, number, "learning"),
        "absent_sessions": _absences(content, number, facts.absences),
        "promotion": evaluation["promotion"],
        "promoted_after_summer": after_summer and evaluation["promotion"] in _PASSED,
        "award": evaluation["award"],
        "certificates": facts.certificates,
        "competition": facts.competition,
        "homeroom_remark": facts.homeroom_remark,
        "principal_approval": {"date": vietnam_time(source.locked_time)[:10]},
        "source": {
            "class_book": source.book,
            "version": source.version,
            "content_sha256": source.content_sha256.hex(),
            "record": source.record,
        },
    }


def _subject(content: Json, position: int, number: int, remarks: Mapping[str, str]) -> dict[str, Any]:
    subject = content["subjects"][position]
    code = subject["code"]
    first, second = (part["summary"][number - 1]["results"][code] for part in content["semesters"])
    reassessed = content["semesters"][1]["marks"][position]["rows"][number - 1]["reassessed"]
    return {
        "code": code,
        "name": subject["name"],
        "kind": subject["kind"],
        "semester_1": first,
        "semester_2": second,
        "year": content["year"]["summary"][number - 1]["results"][code],
        # A student who did not sit the re-assessment has no result of it.
        "reassessed": _result(reassessed),
        "remark": remarks.get(code, ""),
        "teachers": subject["teachers"],
    }


def _result(value: Any) -> Any:
    return None if value == "ABSENT" else value


def _levels(content: Json, number: int, name: str) -> dict[str, Any]:
    first, second = (part["summary"][number - 1][f"{name}_result"] for part in content["semesters"])
    evaluation = content["year"]["evaluation"][number - 1]
    return {
        "semester_1": first,
        "semester_2": second,
        "year": evaluation[f"{name}_result"],
        "after_summer": evaluation[f"{name}_after_summer"],
    }


def _absences(content: Json, number: int, given: tuple[int, int] | None) -> dict[str, int]:
    total = content["year"]["evaluation"][number - 1]["absent_sessions"] or 0
    months = [month["rows"][number - 1] for month in content.get("attendance", [])]
    if months:
        excused = sum(row["excused"] or 0 for row in months)
        given = excused, total - excused
    excused, unexcused = given or (0, 0)
    if excused + unexcused != total:
        raise Rejected("SOURCE_DIFFERS", "Số buổi nghỉ khác với sổ lớp đã khóa.", number=number)
    return {"excused": excused, "unexcused": unexcused}


def _corrections(content: Json, number: int) -> list[dict[str, Any]]:
    """The student's corrections, without those of single attendance sessions.

    A transcript holds only totals of attendance.
    """
    return [
        {
            **{name: value for name, value in correction.items() if name != "student"},
            "old": _result(correction["old"]),
            "new": _result(correction["new"]),
        }
        for correction in content["corrections"]
        if correction["student"] == number and not correction["column"].startswith(ATTENDANCE)
    ]


def _earlier_grades(earlier: Sequence[Json], row: Json, level: str) -> list[Json]:
    """One row per earlier school year at this level.

    A year's own transcript takes precedence over what later transcripts repeat of it.
    """
    rows: dict[str, Json] = {}
    for earlier_transcript in earlier:
        for grade in earlier_transcript["grades"][:-1]:
            rows.setdefault(grade["school_year"], grade)
        rows[earlier_transcript["school_year"]] = earlier_transcript["grades"][-1]
    return [
        rows[year]
        for year in sorted(rows)
        if year < row["school_year"] and rows[year]["grade_level"] in _LAST_GRADES[level]
    ]


def _history(earlier: Sequence[Json], school_year: str) -> list[Json]:
    """The study history of earlier years; each year as in its own transcript if there is one."""
    lines: dict[str, list[Json]] = {}
    for earlier_transcript in earlier:
        by_year: dict[str, list[Json]] = {}
        for line in earlier_transcript["study_history"]:
            by_year.setdefault(line["school_year"], []).append(line)
        for year, year_lines in by_year.items():
            if year == earlier_transcript["school_year"] or year not in lines:
                lines[year] = year_lines
    return [line for year in sorted(lines) if year < school_year for line in lines[year]]
