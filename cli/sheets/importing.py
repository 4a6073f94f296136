"""`hoso import`: a workbook is read and checked whole, then the cells that differ from the
gradebook are sent.

Nothing is sent while the file has an error, unless the user asks for the good sheets alone.
"""

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hoso.gradebook.v1 import common_pb2, marks_pb2
from rich.progress import Progress

from cli.connection import Services
from cli.output import EXIT_NEGATIVE, EXIT_USAGE, Output, console, errors, show_json, styled
from cli.sheets import files, gradebook, layout, read
from cli.sheets.check import Cells, Plan, check
from cli.sheets.files import BadFile
from cli.sheets.findings import Finding, Findings, Severity
from cli.sheets.head import Head
from cli.sheets.read import BookSheet
from services.common.errors import Invalid, NotFound

_VALUE_FIELD = re.compile(r"rows\[(\d+)\]\.values\[(\d+)\]")
_ROW_FIELD = re.compile(r"rows\[(\d+)\]")
_REMARK_FIELD = re.compile(r"remarks\[(\d+)\]")
_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
_MAX_LISTED = 500


@dataclass(slots=True)
class Outcome:
    """One worksheet: its planned changes and their outcome. changed: marks; remarked: remarks."""

    sheet: BookSheet
    plan: Plan | None = None
    state: str = "BAD"
    changed: int = 0
    remarked: int = 0


def run(path: Path, defaults: Head, token_file: Path | None, *, only_check: bool, partial: bool) -> int:
    """Check the file and, unless `only_check`, send it; the exit code.

    defaults: for worksheets with an incomplete head. partial: send good worksheets even if others
    are bad.
    """
    try:
        workbook = files.load(path)
        sheets, whole = read.read(workbook, cache(lambda: files.load(path, values=True)))
    except BadFile as e:
        return _unusable(str(e))
    services, profile = gradebook.vendor()
    outcomes = [Outcome(sheet) for sheet in sheets]
    with _progress() as progress:
        task = progress.add_task("Đối chiếu", total=len(sheets))
        _plan(outcomes, defaults, services, lambda: progress.advance(task))
        good = [outcome for outcome in outcomes if outcome.state == "READY"]
        bad = whole.bad or any(outcome.state == "BAD" for outcome in outcomes)
        if not only_check and good and (partial or not bad):
            teachers = gradebook.Teachers(profile, token_file)
            task = progress.add_task("Gửi", total=len(good))
            _send(good, services, teachers, lambda done: progress.update(task, completed=done))
    return _report(path, outcomes, whole, only_check=only_check)


def _plan(outcomes: Sequence[Outcome], defaults: Head, services: Services, step: Callable[[], None]) -> None:
    """Ask the gradebook for the sheets of each class once, and compare the worksheets with them."""
    by_class: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        head = outcome.sheet.head
        for field in Head.__slots__:
            if not getattr(head, field):
                setattr(head, field, getattr(defaults, field))
        if _complete(outcome.sheet):
            by_class.setdefault((head.school, head.school_year, head.class_name), []).append(outcome)
    known = {key: _export(services, key, members) for key, members in by_class.items()}
    targets = [target for class_sheets in known.values() for target in class_sheets]
    elsewhere = {row.marks.student: target.school_class.name for target in targets for row in target.rows}
    seen: dict[tuple[str, str, str, int], str] = {}
    for key, members in by_class.items():
        for outcome in members:
            target = _target(outcome.sheet, known[key]) if known[key] else None
            if target is not None and not _repeated(outcome.sheet, target, seen):
                others = {code: name for code, name in elsewhere.items() if name != target.school_class.name}
                outcome.plan = check(outcome.sheet, target, others)
                if not outcome.sheet.findings.bad:
                    outcome.state = "READY" if outcome.plan.size else "UNCHANGED"
            step()


def _complete(sheet: BookSheet) -> bool:
    """Whether the worksheet's head is complete; missing parts are reported."""
    head = sheet.head
    wanted = {
        "mã trường (--school)": head.school,
        "năm học (--year)": head.school_year,
        "lớp": head.class_name,
        "môn học": head.subject or head.subject_name,
        "học kì (--semester)": head.semester,
    }
    missing = [name for name, value in wanted.items() if not value]
    if missing:
        sheet.findings.error("", "HEAD_INCOMPLETE", f"đầu sheet chưa ghi {', '.join(missing)}.")
    return not missing


def _export(
    services: Services, key: tuple[str, str, str], members: Sequence[Outcome]
) -> list[marks_pb2.ExportMarksResponse]:
    """The gradebook's sheets of a class; an unknown class is reported in each of its worksheets."""
    school, school_year, class_name = key
    request = marks_pb2.ExportMarksRequest(school=school, school_year=school_year, classes=[class_name])
    try:
        return gradebook.export(services, request)
    except (NotFound, Invalid) as e:
        message = e.violations[0].message if isinstance(e, Invalid) else e.message
        for outcome in members:
            rule = e.violations[0].rule if isinstance(e, Invalid) else e.reason
            outcome.sheet.findings.error("", rule, f"{class_name}, {school_year}, {school}: {message}")
        return []


def _target(sheet: BookSheet, known: Sequence[marks_pb2.ExportMarksResponse]) -> marks_pb2.ExportMarksResponse | None:
    """The gradebook's sheet for a worksheet, by subject code or name and semester."""
    head = sheet.head
    wanted = {layout.plain(head.subject) if head.subject else layout.plain(head.subject_name)}
    for candidate in known:
        names = {layout.plain(candidate.subject), layout.plain(candidate.subject_name)}
        if candidate.semester == head.semester and wanted & names:
            return candidate
    name = head.subject or head.subject_name
    sheet.findings.error("", "SUBJECT_UNKNOWN", f"lớp {head.class_name} không có môn học «{name}».")
    return None


def _repeated(
    sheet: BookSheet, target: marks_pb2.ExportMarksResponse, seen: dict[tuple[str, str, str, int], str]
) -> bool:
    ref = target.school_class
    key = (ref.school, ref.name, target.subject, int(target.semester))
    if key in seen:
        sheet.findings.error("", "DUPLICATE_SHEET", f"cùng lớp, môn học và học kì với sheet «{seen[key]}».")
        return True
    seen[key] = sheet.title
    return False


def _send(
    good: Sequence[Outcome], services: Services, teachers: gradebook.Teachers, step: Callable[[int], None]
) -> None:
    """Send the changes in one stream, each sheet as its teacher; refusals are reported by cell."""
    messages: list[marks_pb2.ImportMarksRequest] = []
    sent: list[tuple[Outcome, Cells]] = []
    for outcome in good:
        assert outcome.plan is not None
        target = outcome.plan.target
        token = teachers.token(target.school_class.school, target.teachers)
        if not token:
            message = "không có mã xác thực của giáo viên dạy môn này trong tệp --token-file."
            outcome.sheet.findings.error("", "NO_TEACHER_TOKEN", message)
            outcome.state = "REFUSED"
            continue
        request, cells = outcome.plan.request(str(uuid.uuid4()), token)
        messages.append(request)
        sent.append((outcome, cells))
    if not messages:
        return
    answers = gradebook.send(services, messages, step)
    for (outcome, cells), answer in zip(sent, answers, strict=True):
        outcome.state, outcome.changed, outcome.remarked = "ENTERED", answer.changed, answer.remarks_changed
        if answer.HasField("refusal"):
            outcome.state = "REFUSED"
            _refused(outcome.sheet.findings, answer.refusal, cells)


def _refused(findings: Findings, refusal: common_pb2.Refusal, cells: Cells) -> None:
    """Report the gradebook's refusal with the worksheet's own addresses."""
    if not refusal.violations:
        findings.error("", refusal.reason, refusal.message)
    for violation in refusal.violations:
        findings.error(_address(violation.field, cells), violation.rule, violation.message)


def _address(field: str, cells: Cells) -> str:
    value, row, remark = _VALUE_FIELD.fullmatch(field), _ROW_FIELD.match(field), _REMARK_FIELD.match(field)
    if value:
        return cells.marks[int(value[1])][int(value[2])]
    if row:
        return next((cell for cell in cells.marks[int(row[1])] if cell), "")
    return cells.remarks[int(remark[1])] if remark else ""


def _unusable(message: str) -> int:
    if Output.as_json:
        show_json({"error": {"rule": "BAD_FILE", "message": message}})
    else:
        errors.print(styled(("Không nhập được:", "red"), f" {message}"), highlight=False)
    return EXIT_USAGE


def _report(path: Path, outcomes: Sequence[Outcome], whole: Findings, *, only_check: bool) -> int:
    findings = [*whole.items, *(finding for outcome in outcomes for finding in outcome.sheet.findings.items)]
    failed = any(finding.severity is Severity.ERROR for finding in findings)
    if Output.as_json:
        show_json(_as_json(path, outcomes, findings, only_check=only_check))
        return EXIT_NEGATIVE if failed else 0
    for finding in sorted(findings, key=lambda finding: list(Severity).index(finding.severity))[:_MAX_LISTED]:
        console.print(str(finding), style=_STYLES[finding.severity], highlight=False, soft_wrap=True)
    if len(findings) > _MAX_LISTED:
        console.print(f"… và {len(findings) - _MAX_LISTED} ghi nhận nữa; xem đủ bằng --json.", highlight=False)
    console.print(_summary(outcomes, findings, only_check=only_check), highlight=False, soft_wrap=True)
    return EXIT_NEGATIVE if failed else 0


def _summary(outcomes: Sequence[Outcome], findings: Sequence[Finding], *, only_check: bool) -> str:
    errors_found = sum(finding.severity is Severity.ERROR for finding in findings)
    states = [outcome.state for outcome in outcomes]
    plans = [outcome.plan for outcome in outcomes if outcome.plan is not None and outcome.state != "BAD"]
    text = f"{len(outcomes)} bảng điểm, {errors_found} lỗi; {states.count('UNCHANGED')} bảng không có gì thay đổi. "
    if only_check:
        cells, remarks = sum(plan.size for plan in plans), sum(len(plan.remarks) for plan in plans)
        return text + f"Nếu nhập: {cells} ô thay đổi trong {states.count('READY')} bảng{_of_them(remarks)}."
    if "READY" in states:
        return text + "Chưa gửi gì vì tệp còn lỗi (--partial để gửi các bảng không lỗi)."
    remarks = sum(outcome.remarked for outcome in outcomes)
    written = sum(outcome.changed for outcome in outcomes) + remarks
    text += f"Đã nhập {written} ô trong {states.count('ENTERED')} bảng{_of_them(remarks)}; "
    return text + f"{states.count('REFUSED')} bảng bị từ chối."


def _of_them(remarks: int) -> str:
    return f", trong đó có {remarks} ô nhận xét" if remarks else ""


def _as_json(
    path: Path, outcomes: Sequence[Outcome], findings: Sequence[Finding], *, only_check: bool
) -> Mapping[str, Any]:
    return {
        "file": str(path),
        "checked_only": only_check,
        "sheets": [
            {
                "sheet": outcome.sheet.title,
                "class": outcome.sheet.head.class_name,
                "subject": outcome.plan.target.subject if outcome.plan else outcome.sheet.head.subject,
                "semester": outcome.sheet.head.semester,
                "state": outcome.state,
                "changed": outcome.changed,
                "remarks_changed": outcome.remarked,
                "changes": [
                    {"cell": c.cell, "student": c.student, "column": c.column.title, "old": c.old, "new": c.new}
                    for c in (outcome.plan.changes if outcome.plan else ())
                ],
                "remarks": [asdict(change) for change in (outcome.plan.remarks if outcome.plan else ())],
            }
            for outcome in outcomes
        ],
        "findings": [finding.as_json() for finding in findings],
    }


def _progress() -> AbstractContextManager[Progress]:
    return Progress(console=errors, transient=True, disable=Output.as_json or not errors.is_terminal)
