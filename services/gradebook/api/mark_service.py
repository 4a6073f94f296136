"""MarkService; see proto/hoso/gradebook/v1/marks.proto."""

from collections.abc import Iterator
from datetime import datetime
from typing import cast

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from hoso.gradebook.v1 import marks_pb2, marks_pb2_grpc

from services.common import chunks
from services.common.db import Database
from services.common.grpc_call import Refusal
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.common.message_fields import page_size
from services.gradebook.api import pages, sheet_messages, window_messages
from services.gradebook.api.act_access import access_for
from services.gradebook.api.messages import class_ref
from services.gradebook.api.request_identity import request_identity
from services.gradebook.entry import attendance, bulk, conduct, reads, settlement, windows
from services.gradebook.entry.grouping import Grouping
from services.gradebook.entry.marks import SheetEntry
from services.gradebook.model.checks import identifier, moment
from services.gradebook.model.domain import Semester, Stage
from services.gradebook.model.permissions import Permission

_IMPORT = "/hoso.gradebook.v1.MarkService/ImportMarks"
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
    "GetSnapshotFacts": Access(clients=("service/archive",)),
}


def served(database: Database, refused: Refusal) -> Served:
    """The service over a database."""
    servicer = Marks(database, refused)
    return Served(
        add=lambda server: marks_pb2_grpc.add_MarkServiceServicer_to_server(servicer, server),
        name="hoso.gradebook.v1.MarkService",
        access=ACCESS,
    )


class Marks(marks_pb2_grpc.MarkServiceServicer):
    """The servicer."""

    def __init__(self, database: Database, refused: Refusal) -> None:
        self._database, self._refused = database, refused
        self._grouping = Grouping(database)

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
            name=window.name,
            open_time=_moment("window.open_time", window.open_time),
            close_time=_moment("window.close_time", window.close_time),
            semesters=window.semesters,
            mark_kinds=window.mark_kinds,
            grade_levels=window.grade_levels,
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
        listed = windows.list_windows(
            self._database, caller(), request.school, request.school_year, after=after, limit=limit
        )
        return marks_pb2.ListWindowsResponse(
            windows=map(window_messages.window, listed),
            next_page_token=pages.encode((listed[-1].id,)) if len(listed) == limit else "",
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
            snapshots=[
                window_messages.snapshot(request.school, request.school_year, snapshot) for snapshot in snapshots
            ],
        )

    def EnterMarks(
        self, request: marks_pb2.EnterMarksRequest, context: grpc.ServicerContext
    ) -> marks_pb2.EnterMarksResponse:
        """Enter a rectangle of marks."""
        who = caller()
        entered = self._grouping.enter(
            SheetEntry(
                who,
                request_identity(request, request.request_id, who),
                class_ref(request.school_class),
                request.subject,
                request.semester,
                sheet_messages.columns(request),
                sheet_messages.values(request),
            )
        ).cells
        return marks_pb2.EnterMarksResponse(changed=entered.changed, unchanged=entered.unchanged)

    def ImportMarks(
        self, request_iterator: Iterator[marks_pb2.ImportMarksRequest], context: grpc.ServicerContext
    ) -> marks_pb2.ImportMarksResponse:
        """Enter the sheets of a stream."""
        imported = bulk.import_marks(
            self._grouping,
            caller(),
            map(sheet_messages.sheet, request_iterator),
            lambda who, error: self._refused(who, _IMPORT, error),
            context.time_remaining(),
        )
        return marks_pb2.ImportMarksResponse(sheets=map(sheet_messages.imported, imported))

    def ExportMarks(
        self, request: marks_pb2.ExportMarksRequest, context: grpc.ServicerContext
    ) -> Iterator[marks_pb2.ExportMarksResponse]:
        """The sheets of a class or a school."""
        bulk.check_deadline(context.time_remaining())
        for exported in bulk.export_marks(
            self._database,
            caller(),
            request.school,
            request.school_year,
            classes=request.classes,
            subjects=request.subjects,
            semester=request.semester,
        ):
            yield from sheet_messages.exported(exported, request)

    def SettleMissingMarks(
        self, request: marks_pb2.SettleMissingMarksRequest, context: grpc.ServicerContext
    ) -> marks_pb2.SettleMissingMarksResponse:
        """Turn missing marks into 0 or CĐ."""
        who = caller()
        settled = settlement.zero_missing_marks(
            self._database,
            who,
            request_identity(request, request.request_id, who),
            class_ref(request.school_class),
            subject=request.subject,
            semester=request.semester,
            columns=sheet_messages.columns(request),
            students=request.students,
            reason=request.reason,
        )
        return marks_pb2.SettleMissingMarksResponse(settled=settled)

    def EnterConduct(
        self, request: marks_pb2.EnterConductRequest, context: grpc.ServicerContext
    ) -> marks_pb2.EnterConductResponse:
        """Enter conduct levels."""
        who = caller()
        conduct.enter_conduct(
            self._database,
            who,
            request_identity(request, request.request_id, who),
            class_ref(request.school_class),
            semester=request.semester,
            rows=[(row.student, row.level) for row in request.rows],
        )
        return marks_pb2.EnterConductResponse()

    def EnterAbsences(
        self, request: marks_pb2.EnterAbsencesRequest, context: grpc.ServicerContext
    ) -> marks_pb2.EnterAbsencesResponse:
        """Enter absent sessions."""
        who = caller()
        attendance.enter_absences(
            self._database,
            who,
            request_identity(request, request.request_id, who),
            class_ref(request.school_class),
            [attendance.AbsenceTotals(row.student, row.excused, row.unexcused) for row in request.rows],
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
            students=[sheet_messages.summary(data, index, result, stage) for index, result in enumerate(results)]
        )

    def ListMissing(
        self, request: marks_pb2.ListMissingRequest, context: grpc.ServicerContext
    ) -> marks_pb2.ListMissingResponse:
        """What is missing."""
        missing, total = reads.list_missing(self._database, caller(), class_ref(request.school_class), request.stage)
        return marks_pb2.ListMissingResponse(missing=map(sheet_messages.missing, missing), total=total)

    def GetMarkHistory(
        self, request: marks_pb2.GetMarkHistoryRequest, context: grpc.ServicerContext
    ) -> marks_pb2.GetMarkHistoryResponse:
        """The history of a cell."""
        versions = reads.mark_history(
            self._database,
            caller(),
            class_ref(request.school_class),
            subject=request.subject,
            semester=request.semester,
            column=(request.column.kind, request.column.position),
            student=request.student,
        )
        return marks_pb2.GetMarkHistoryResponse(versions=map(sheet_messages.version, versions))

    def DownloadSnapshot(
        self, request: marks_pb2.DownloadSnapshotRequest, context: grpc.ServicerContext
    ) -> Iterator[marks_pb2.DownloadSnapshotResponse]:
        """The bytes of a snapshot."""
        data = windows.snapshot_content(self._database, identifier("snapshot", request.snapshot))
        for chunk in chunks.split(data):
            yield marks_pb2.DownloadSnapshotResponse(chunk=chunk)

    def GetSnapshotFacts(
        self, request: marks_pb2.GetSnapshotFactsRequest, context: grpc.ServicerContext
    ) -> marks_pb2.GetSnapshotFactsResponse:
        """Whose a snapshot is, and its digest."""
        snapshot = identifier("snapshot", request.snapshot)
        facts = windows.snapshot_facts(self._database, snapshot)
        return marks_pb2.GetSnapshotFactsResponse(
            facts=marks_pb2.SnapshotFacts(snapshot=str(snapshot), **facts._asdict())
        )


def _moment(field: str, message: Timestamp) -> datetime:
    return moment(field, message.seconds, message.nanos)
