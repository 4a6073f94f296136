"""Many score sheets in one call: a stream of entries, and a stream of the sheets as they stand
(ADR-0043).

Nothing here knows more than one sheet at a time. A sheet is entered before the next is read, so
that a client is slowed down by the network's own flow control, and each sheet is a transaction of
its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from services.common import identity
from services.common.db import Database
from services.common.errors import (
    Conflict,
    Forbidden,
    HosoError,
    Invalid,
    NotFound,
    Rejected,
    Unauthenticated,
    Violation,
)
from services.common.identity import Caller
from services.gradebook.entry.grouping import Grouping
from services.gradebook.entry.marks import SheetEntry
from services.gradebook.entry.store import class_data, remarks
from services.gradebook.entry.store.class_data import ClassHead
from services.gradebook.model import results, roster_rules
from services.gradebook.model.acts import NOTHING, EnteredAct, identify
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import ClassRef, Semester, Stage
from services.gradebook.model.results import ClassData
from services.gradebook.roster import access
from services.gradebook.rules import PupilResult

MAX_SHEETS = 2000
"""Sheets per stream: a school of sixty classes with thirteen subjects has 1,560 per year."""

MAX_TIME_S = 600.0
"""Longest deadline of a stream."""

_ROUNDING = 1.05
"""gRPC sends a long deadline in coarse units, rounded up, so that ten minutes arrive as a little
more.
"""

ANSWERS = (Invalid, NotFound, Conflict, Rejected, Unauthenticated, Forbidden)
"""Errors that answer one of many requests in a call; any other error ends the call."""

Refused = Callable[[Caller, HosoError], None]
"""Called for each refused request of a call, to leave an audit row."""


class Sheet(NamedTuple):
    """One sheet of a stream. token: of the person who enters it, empty for the person of the call.

    content: bytes of the message without the token, which may come again with a newer one. The
    other fields are those of SheetEntry.
    """

    token: str
    request_id: str
    content: bytes
    ref: ClassRef
    subject: str
    semester: int
    columns: Sequence[tuple[int, int]]
    rows: Sequence[tuple[str, Sequence[str]]]
    remarks: Sequence[tuple[str, str]]


class Imported(NamedTuple):
    """What became of a sheet: an answer or a refusal."""

    request_id: str
    entered: EnteredAct
    refusal: HosoError | None


class ExportedClass(NamedTuple):
    """A class as it stands. results: of its students, in the order of the data.

    remarks: (class id, subject code, period, student id) → text; a semester is the period of its
    number.
    """

    school_name: str
    head: ClassHead
    data: ClassData
    results: list[PupilResult]
    remarks: Mapping[tuple[int, str, int, int], str]


def import_marks(
    grouping: Grouping, caller: Caller, sheets: Iterable[Sheet], refused: Refused, remaining_s: float | None
) -> list[Imported]:
    """Enter every sheet of the stream, each as its person and in its own transaction.

    refused: called for a sheet that its person may not enter. remaining_s: what is left of the
    caller's deadline, None without one. Raises Invalid DEADLINE, SHEET_COUNT; Unavailable when a
    dependency is away. Sheets that were answered before stay entered;
    sending the stream again is harmless.
    """
    check_deadline(remaining_s)
    imported: list[Imported] = []
    for sheet in sheets:
        if len(imported) == MAX_SHEETS:
            message = f"Mỗi lượt nhập không quá {MAX_SHEETS} bảng điểm; các bảng trước đó đã được xử lý."
            raise Invalid([Violation("sheet", "SHEET_COUNT", message)])
        imported.append(_import_sheet(grouping, caller, sheet, refused))
    return imported


def check_deadline(remaining_s: float | None) -> None:
    """Raises Invalid DEADLINE unless the call ends by itself within ten minutes."""
    if remaining_s is None or remaining_s > MAX_TIME_S * _ROUNDING:
        message = f"Lượt gọi phải có thời hạn (deadline) không quá {MAX_TIME_S:.0f} giây."
        raise Invalid([Violation("", "DEADLINE", message)])


def _import_sheet(grouping: Grouping, caller: Caller, sheet: Sheet, refused: Refused) -> Imported:
    who = caller
    try:
        if sheet.token:
            who = identity.bearing(sheet.token)
        request = identify(sheet.content, sheet.request_id, client=who.client, person=who.person)
        entry = SheetEntry(
            who, request, sheet.ref, sheet.subject, sheet.semester, sheet.columns, sheet.rows, sheet.remarks
        )
        return Imported(sheet.request_id, grouping.enter(entry), None)
    except ANSWERS as e:
        if isinstance(e, Forbidden | Unauthenticated):
            refused(who, e)
        return Imported(sheet.request_id, EnteredAct(NOTHING, NOTHING), e)


def export_marks(
    database: Database,
    caller: Caller,
    school: str,
    school_year: str,
    *,
    classes: Sequence[str],
    subjects: Sequence[str],
    semester: int,
) -> Iterator[ExportedClass]:
    """The classes of a year one after another, with the marks that sheets of the semester show; no
    name means all.

    semester: 0 for both. Each class is read in one transaction when its turn comes.
    Raises Invalid; Forbidden VENDOR_NOT_AUTHORISED; NotFound CLASS_UNKNOWN.
    """
    _check_export(school, school_year, classes, subjects, semester)
    with database.transaction() as tx:
        year = access.year(tx, caller, school, school_year)
        _, named_school = access.school(tx, school)
        heads = class_data.heads(tx, year.id)
    known = {head.name for head in heads}
    unknown = next((name for name in classes if name not in known), None)
    if unknown is not None:
        raise NotFound("CLASS_UNKNOWN", "Không có lớp này trong năm học.", school_class=unknown)
    stage = Stage.SEMESTER_1 if semester == Semester.FIRST else Stage.WHOLE_YEAR
    for head in heads:
        if classes and head.name not in classes:
            continue
        with database.transaction() as tx:
            data = class_data.read(tx, year.id, year.name, [head], stage.semesters)[head.id]
            texts = remarks.of_classes(tx, [head.id])
        yield ExportedClass(named_school.name, head, data, results.class_results(data, stage), texts)


def _check_export(
    school: str, school_year: str, classes: Sequence[str], subjects: Sequence[str], semester: int
) -> None:
    roster_rules.check_year_ref(school, school_year)
    findings = Findings()
    findings.count("classes", len(classes), 0, roster_rules.MAX_CLASSES)
    findings.count("subjects", len(subjects), 0, roster_rules.MAX_SUBJECTS)
    for index, name in enumerate(classes[: roster_rules.MAX_CLASSES]):
        findings.text(f"classes[{index}]", name, longest=20)
    for index, code in enumerate(subjects[: roster_rules.MAX_SUBJECTS]):
        findings.subject_code(f"subjects[{index}]", code)
    if semester:
        findings.one_of("semester", semester, set(Semester))
    findings.refuse()
