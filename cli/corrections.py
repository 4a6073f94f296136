"""`hoso corrections`: changes after closing, by whom and why."""

from typing import Annotated

import typer
from hoso.gradebook.v1 import corrections_pb2

from cli import words
from cli.connection import call, every, operator
from cli.output import local_time, show

app = typer.Typer(no_args_is_help=True)

_STATES = [name.removeprefix("CORRECTION_STATE_") for name, number in corrections_pb2.CorrectionState.items() if number]


@app.command("list")
def list_corrections(
    school: Annotated[str, typer.Argument(help="School code.")],
    school_year: Annotated[str, typer.Argument(help="School year, such as 2025-2026.")],
    class_name: Annotated[str, typer.Option("--class", help="Only this class.")] = "",
    state: Annotated[str, typer.Option(help=f"Only this state: {', '.join(_STATES)}.")] = "",
) -> None:
    """The corrections of a school year, oldest first."""
    if state and state not in _STATES:
        raise typer.BadParameter(f"one of {', '.join(_STATES)}", param_hint="--state")
    request = corrections_pb2.ListCorrectionsRequest(school=school, school_year=school_year, class_name=class_name)
    if state:
        request.state = corrections_pb2.CorrectionState.Value(f"CORRECTION_STATE_{state}")
    corrections = every(operator().corrections.ListCorrections, request, "corrections")
    rows = [
        (
            c.id,
            c.school_class.name,
            c.student,
            _what(c),
            _column(c),
            *_values(c),
            words.correction_state(c.state),
            local_time(c.requested.time),
            c.reason,
        )
        for c in corrections
    ]
    columns = ("id", "lớp", "học sinh", "môn, loại", "cột, tháng", "cũ", "mới", "trạng thái", "đề nghị lúc", "lý do")
    show(f"Đề nghị sửa của trường {school}, {school_year}", columns, rows, corrections)


@app.command("show")
def show_correction(correction: Annotated[str, typer.Argument(help="Correction id.")]) -> None:
    """A correction with everyone involved."""
    request = corrections_pb2.GetCorrectionRequest(correction=correction)
    c = call(operator().corrections.GetCorrection, request, patient=True).correction
    old, new = _values(c)
    steps = (
        ("đề nghị", c.requested),
        ("xác nhận", c.confirmed),
        ("quyết định", c.decided),
        ("rút lại", c.withdrawn),
    )
    rows = [(what, local_time(step.time), step.person, step.client, step.note) for what, step in steps if step.person]
    where = f"{c.school_class.name}, {_what(c)}, {_column(c)}, học sinh {c.student}"
    title = f"{where}: {old} → {new} ({words.correction_state(c.state)})\nLý do: {c.reason}"
    title += f"\nMinh chứng: {c.evidence.description}"
    if c.snapshot.id:
        title += f"\nBản chụp: {c.snapshot.id}; sổ bị hủy: {', '.join(c.voided_books) or 'không'}"
    show(title, ("bước", "lúc", "người", "qua", "ghi chú"), rows, c)


def _what(c: corrections_pb2.Correction) -> str:
    """The subject of a mark, else the kind of data."""
    return c.subject or words.correction_kind(c.kind)


def _column(c: corrections_pb2.Correction) -> str:
    if c.HasField("column"):
        return f"{words.column(c.column)} {words.semester(c.semester)}"
    return c.month or (words.semester(c.semester) if c.semester else "cả năm")


def _values(c: corrections_pb2.Correction) -> tuple[str, str]:
    if c.HasField("column"):
        return c.old_value or "-", c.new_value
    if c.HasField("new_absences"):
        old = words.absence_totals(c.old_absences) if c.HasField("old_absences") else "-"
        return old, words.absence_totals(c.new_absences)
    if c.sessions:
        old = ", ".join(_session(session, session.old) for session in c.sessions)
        return old, ", ".join(_session(session, session.new) for session in c.sessions)
    return words.level(c.old_level), words.level(c.new_level)


def _session(session: corrections_pb2.SessionCorrection, attendance: int) -> str:
    return f"{words.session(session.day, session.session)} {words.attendance(attendance)}"
