"""MarkService; see proto/hoso/gradebook/v1/marks.proto."""

import threading
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import cast

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from hoso.gradebook.v1 import common_pb2, marks_pb2, marks_pb2_grpc

from services.common import chunks, operations
from services.common.db import Database
from services.common.grpc_server import Served
from services.common.identity import Access, Caller, caller
from services.common.message_fields import page_size, timestamp
from services.common.together import Together
from services.gradebook.api import pages, sheet_messages, window_messages
from services.gradebook.api.act_access import access_for
from services.gradebook.api.messages import class_ref
from services.gradebook.api.request_identity import request_identity
from services.gradebook.entry import acts, bulk, marks, reads, windows
from services.gradebook.entry.acts import Entered, Request
from services.gradebook.entry.marks import SheetEntry
from services.gradebook.entry.marks_with_remarks import NONE, EnteredSheet, enter_sheet
from services.gradebook.entry.store.marks import VersionRow
from services.gradebook.model.checks import identifier, moment
from services.gradebook.model.domain import PROTO_LEVEL_NUMBERS, Semester, Stage, keyed_text
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.permissions import Permission
from services.gradebook.model.results import ClassData, Missing, absent_sessions
from services.gradebook.rules import Level, PupilResult, format_mark

_SMALL = 100
"""Cells of a sheet that is better entered together with others (ADR-0034)."""
_AT_ONCE, _ANOTHER_GROUP_FROM, _TOGETHER = 2, 4, 16
"""Transactions of small sheets at a time in a process, waiting sheets that begin the second one, and sheets of one."""
_LARGE_AT_ONCE = 5
"""Larger sheets at a time in a process: more only get in each other's way, and in that of small ones (ADR-0048)."""

_IMPORT = "/hoso.gradebook.v1.MarkService/ImportMarks"
_ENTRY_KINDS: dict[int, str] = {
    EntryKind.MARKS: "ENTRY",
    EntryKind.SETTLEMENT: "SETTLEMENT",
    EntryKind.CORRECTION: "CORRECTION",
    EntryKind.CARRIED_MARKS: "CARRIED_OVER",
}
_VENDOR = Access(clients=("vendor/*",))
ACCESS = {
    "PlanWindow": access_for(Permission.PLAN_WINDOW),
    "CloseWindow": access_for(Permission.CLOSE_WINDOW),
    "ListWindows": Access(clients=("vendor/*", "operator/department")),
    "GetWindow": Access(clients=("vendor/*", "operator/department")),
    "EnterMarks": access_for(Permission.ENTER_MARKS, Permission.ENTER_SUBJECT_REMARKS),
    "ImportMarks": _VENDOR,
    "ExportMarks": _VENDOR,
    "SettleMissingMarks": access_for(Permission.SETTLE_MISSING_MARKS),
    "EnterConduct": access_for(Permission.ENTER_CONDUCT),
    "EnterAbsences": access_for(Permission.ENTER_ABSENCES),
    "GetMarkSheet": _VENDOR,
    "GetClassSummary": _VENDOR,
    "ListMissing": _VENDOR,
    "GetMarkHistory": _VENDOR,
    "DownloadSnapshot": Access(clients=("service/archive",)),
}


def served(database: Database) -> Served:
    """The service over a database."""
    servicer = Marks(database)
    return Served(
        add=lambda server: marks_pb2_grpc.add_MarkServiceServicer_to_server(servicer, server),
        name="hoso.gradebook.v1.MarkService",
        access=ACCESS,
    )


class Marks(marks_pb2_grpc.MarkServiceServicer):
    """The servicer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._small: Together[SheetEntry, Entered | None] = Together(
            partial(marks.try_together, database),
            at_once=_AT_ONCE,
            another_group_from=_ANOTHER_GROUP_FROM,
            most=_TOGETHER,
        )
        self._large = threading.BoundedSemaphore(_LARGE_AT_ONCE)

    def PlanWindow(
        self, request: marks_pb2.PlanWindowRequest, context: grpc.ServicerContext
    ) -> marks_pb2.PlanWindowResponse:
        """Plan an entry window."""
        window = request.window
        windows.plan_window(
            self._database,
            caller(),
            request.school,
            request.school_year,
            window.name,
            _moment("window.open_time", window.open_time),
            _moment("window.close_time", window.close_time),
            window.semesters,
            window.mark_kinds,
            window.grade_levels,
        )
        return marks_pb2.PlanWindowResponse()

    def CloseWindow(
        self, request: marks_pb2.CloseWindowRequest, context: grpc.ServicerContext
    ) -> marks_pb2.CloseWindowResponse:
        """Close a window and take snapshots."""
        taken = windows.close_window(self._database, caller(), request.school, request.school_year, request.window)
        return marks_pb2.CloseWindowResponse(snapshots=taken)

    def ListWindows(
        self, request: marks_pb2.ListWindowsRequest, context: grpc.ServicerContext
    ) -> marks_pb2.ListWindowsResponse:
        """The windows of a year."""
        limit = page_size(request.page_size)
        (after,) = cast(tuple[int], pages.decode(request.page_token, (0,)))
        found = windows.list_windows(self._database, caller(), request.school, request.school_year, after, limit)
        return marks_pb2.ListWindowsResponse(
            windows=[window_messages.window(one) for one in found],
            next_page_token=pages.encode((found[-1].id,)) if len(found) == limit else "",
        )

    def GetWindow(
        self, request: marks_pb2.GetWindowRequest, context: grpc.ServicerContext
    ) -> marks_pb2.GetWindowResponse:
        """A window with its snapshots."""
        window, snapshots = windows.get_window(
            self._database, caller(), request.school, request.school_year, request.window
        )
        return marks_pb2.GetWindowResponse(
            window=window_messages.window(window),
            snapshots=[window_messages.snapshot(request.school, request.school_year, one) for one in snapshots],
        )

    def EnterMarks(
        self, request: marks_pb2.EnterMarksRequest, context: grpc.ServicerContext
    ) -> marks_pb2.EnterMarksResponse:
        """Enter a rectangle of marks."""
        entered = self._enter(request, caller())
        return marks_pb2.EnterMarksResponse(changed=entered.changed, unchanged=entered.unchanged)

    def ImportMarks(
        self, request_iterator: Iterator[marks_pb2.ImportMarksRequest], context: grpc.ServicerContext
    ) -> marks_pb2.ImportMarksResponse:
        """Enter the sheets of a stream."""
        record = operations.record_refusal(self._database)
        found = bulk.import_marks(
            caller(),
            (
                bulk.Sheet(one.sheet.request_id, one.person_token, partial(self._enter_imported, one))
                for one in request_iterator
            ),
            lambda who, error: record(who, _IMPORT, error),
            context.time_remaining(),
        )
        return marks_pb2.ImportMarksResponse(sheets=map(sheet_messages.imported, found))

    def ExportMarks(
        self, request: marks_pb2.ExportMarksRequest, context: grpc.ServicerContext
    ) -> Iterator[marks_pb2.ExportMarksResponse]:
        """The sheets of a class or a school."""
        bulk.check_deadline(context.time_remaining())
        for one in bulk.export_marks(
            self._database,
            caller(),
            request.school,
            request.school_year,
            request.classes,
            request.subjects,
            request.semester,
        ):
            yield from sheet_messages.exported(one, request)

    def _enter(self, request: marks_pb2.EnterMarksRequest, who: Caller) -> Entered:
        one = _entry(request, request_identity(request, request.request_id, who), who)
        if len(one.rows) * len(one.columns) > _SMALL:
            with self._large:
                return marks.enter_marks(self._database, one)
        found = self._small.do(one)
        # What has to wait does so here, where nobody waits for it.
        return marks.enter_marks(self._database, one) if found is None else found

    def _enter_imported(self, request: marks_pb2.ImportMarksRequest, who: Caller) -> EnteredSheet:
        """One sheet of a stream; without remarks exactly as by EnterMarks."""
        if not request.remarks:
            return EnteredSheet(self._enter(request.sheet, who), NONE)
        # The same sheet may come again with a newer token of the same person.
        said = marks_pb2.ImportMarksRequest(sheet=request.sheet, remarks=request.remarks)
        return enter_sheet(
            self._database,
            _entry(request.sheet, request_identity(said, request.sheet.request_id, who), who),
            [(row.student, row.text) for row in request.remarks],
        )

    def SettleMissingMarks(
        self, request: marks_pb2.SettleMissingMarksRequest, context: grpc.ServicerContext
    ) -> marks_pb2.SettleMissingMarksResponse:
        """Turn missing marks into 0 or CĐ."""
        who = caller()
        settled = acts.settle_missing_marks(
            self._database,
            who,
            request_identity(request, request.request_id, who),
            class_ref(request.school_class),
            request.subject,
            request.semester,
            [(column.kind, column.position) for column in request.columns],
            request.students,
            request.reason,
        )
        return marks_pb2.SettleMissingMarksResponse(settled=settled)

    def EnterConduct(
        self, request: marks_pb2.EnterConductRequest, context: grpc.ServicerContext
    ) -> marks_pb2.EnterConductResponse:
        """Enter conduct levels."""
        who = caller()
        acts.enter_conduct(
            self._database,
            who,
            request_identity(request, request.request_id, who),
            class_ref(request.school_class),
            request.semester,
            [(row.student, row.level) for row in request.rows],
        )
        return marks_pb2.EnterConductResponse()

    def EnterAbsences(
        self, request: marks_pb2.EnterAbsencesRequest, context: grpc.ServicerContext
    ) -> marks_pb2.EnterAbsencesResponse:
        """Enter absent sessions."""
        who = caller()
        acts.enter_absences(
            self._database,
            who,
            request_identity(request, request.request_id, who),
            class_ref(request.school_class),
            [(row.student, row.excused, row.unexcused) for row in request.rows],
        )
        return marks_pb2.EnterAbsencesResponse()

    def GetMarkSheet(
        self, request: marks_pb2.GetMarkSheetRequest, context: grpc.ServicerContext
    ) -> marks_pb2.GetMarkSheetResponse:
        """A score sheet."""
        view = reads.mark_sheet(
            self._database, caller(), class_ref(request.school_class), request.subject, request.semester
        )
        (subject,) = view.data.subjects
        rows = sheet_messages.rows(view.data, view.results, subject, Semester(request.semester))
        return marks_pb2.GetMarkSheetResponse(rows=rows)

    def GetClassSummary(
        self, request: marks_pb2.GetClassSummaryRequest, context: grpc.ServicerContext
    ) -> marks_pb2.GetClassSummaryResponse:
        """All results of a class."""
        data, results = reads.class_summary(self._database, caller(), class_ref(request.school_class), request.stage)
        stage = Stage(request.stage)
        return marks_pb2.GetClassSummaryResponse(
            students=[_summary(data, index, result, stage) for index, result in enumerate(results)]
        )

    def ListMissing(
        self, request: marks_pb2.ListMissingRequest, context: grpc.ServicerContext
    ) -> marks_pb2.ListMissingResponse:
        """What is missing."""
        found, total = reads.list_missing(self._database, caller(), class_ref(request.school_class), request.stage)
        return marks_pb2.ListMissingResponse(missing=[_missing(one) for one in found], total=total)

    def GetMarkHistory(
        self, request: marks_pb2.GetMarkHistoryRequest, context: grpc.ServicerContext
    ) -> marks_pb2.GetMarkHistoryResponse:
        """The history of a cell."""
        versions = reads.mark_history(
            self._database,
            caller(),
            class_ref(request.school_class),
            request.subject,
            request.semester,
            (request.column.kind, request.column.position),
            request.student,
        )
        return marks_pb2.GetMarkHistoryResponse(versions=[_version(one) for one in versions])

    def DownloadSnapshot(
        self, request: marks_pb2.DownloadSnapshotRequest, context: grpc.ServicerContext
    ) -> Iterator[marks_pb2.DownloadSnapshotResponse]:
        """The bytes of a snapshot."""
        data = windows.snapshot_content(self._database, identifier("snapshot", request.snapshot))
        for chunk in chunks.split(data):
            yield marks_pb2.DownloadSnapshotResponse(chunk=chunk)


def _entry(request: marks_pb2.EnterMarksRequest, identity: Request, who: Caller) -> SheetEntry:
    return SheetEntry(
        who,
        identity,
        class_ref(request.school_class),
        request.subject,
        request.semester,
        [(column.kind, column.position) for column in request.columns],
        [(row.student, row.values) for row in request.rows],
    )


def _moment(field: str, message: Timestamp) -> datetime:
    return moment(field, message.seconds, message.nanos)


def _level(level: object) -> "common_pb2.Level.ValueType":
    number = PROTO_LEVEL_NUMBERS[level] if isinstance(level, Level) else 0
    return cast("common_pb2.Level.ValueType", number)


def _period(result: PupilResult, name: str) -> marks_pb2.PeriodResult:
    learning = getattr(result.learning, name)
    marks_by_subject = {one.name: getattr(one, name) for one in result.subjects}
    return marks_pb2.PeriodResult(
        results={code: format_mark(mark) for code, mark in marks_by_subject.items() if mark is not None},
        learning_result=_level(None if learning is None else learning.level),
        conduct_result=_level(getattr(result.conduct, name)),
    )


def _after_summer(result: PupilResult) -> marks_pb2.PeriodResult:
    learning = result.learning.after_summer
    return marks_pb2.PeriodResult(
        results={one.name: format_mark(one.reassessed) for one in result.subjects if one.reassessed is not None},
        learning_result=_level(None if learning is None else learning.level),
        conduct_result=_level(result.conduct.after_summer),
    )


def _summary(data: ClassData, index: int, result: PupilResult, stage: Stage) -> marks_pb2.StudentSummary:
    student = data.students[index]
    return marks_pb2.StudentSummary(
        student=student.moet_student_id,
        semester_1=_period(result, "semester_1"),
        semester_2=_period(result, "semester_2") if stage.ends_year else None,
        year=_period(result, "year") if stage.ends_year else None,
        absent_sessions=absent_sessions(data, student.id) or 0,
        promotion=result.promotion.value if stage.ends_year and result.promotion else "",
        award=result.award.value if stage.ends_year and result.award else "",
        after_summer=_after_summer(result) if stage is Stage.AFTER_SUMMER else None,
        retest_subjects=result.retest_subjects,
    )


def _missing(one: Missing) -> marks_pb2.Missing:
    return marks_pb2.Missing(
        student=one.student.moet_student_id,
        subject=one.subject or "",
        semester=cast("common_pb2.Semester.ValueType", int(one.semester or 0)),
        column=None if one.column is None else window_messages.mark_column(one.column),
        kind=one.kind,
        month=one.month or "",
    )


def _version(one: VersionRow) -> marks_pb2.MarkVersion:
    recorded = "ZERO_BY_RULE" if one.kind == EntryKind.SETTLEMENT else "RECORDED"
    correction = None
    if one.correction is not None:
        correction = marks_pb2.VersionCorrection(
            id=str(one.correction),
            requested_by=one.requested_by or "",
            confirmed_by=one.confirmed_by or "",
            approved_by=one.person,
        )
    return marks_pb2.MarkVersion(
        version=one.version,
        value=keyed_text(one.value),
        status="WITHDRAWN" if one.value is None else recorded,
        person=one.person,
        client=one.client,
        time=timestamp(one.time),
        reason=one.reason,
        kind=_ENTRY_KINDS[one.kind],
        correction=correction,
    )
