"""ClassBookService; see proto/hoso/gradebook/v1/class_book.proto."""

from typing import cast

import grpc
from hoso.gradebook.v1 import class_book_pb2, class_book_pb2_grpc

from services.common.db import Database
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.common.message_fields import timestamp
from services.gradebook.api.act_access import access_for
from services.gradebook.api.messages import class_ref
from services.gradebook.api.request_identity import request_identity
from services.gradebook.entry import attendance, conduct, principal_remarks
from services.gradebook.entry.attendance import Absence, SheetRow
from services.gradebook.entry.store.principal_remarks import RemarkRow
from services.gradebook.model.permissions import Permission
from services.gradebook.model.results import Absences

_VENDOR = Access(clients=("vendor/*",))
ACCESS = {
    "EnterAttendance": access_for(Permission.ENTER_ATTENDANCE),
    "GetAttendance": _VENDOR,
    "RecordPrincipalRemark": access_for(Permission.RECORD_PRINCIPAL_REMARK),
    "ListPrincipalRemarks": _VENDOR,
    "EnterSummerConduct": access_for(Permission.ENTER_SUMMER_CONDUCT),
}


def served(database: Database) -> Served:
    """The service over a database."""
    servicer = ClassBooks(database)
    return Served(
        add=lambda server: class_book_pb2_grpc.add_ClassBookServiceServicer_to_server(servicer, server),
        name="hoso.gradebook.v1.ClassBookService",
        access=ACCESS,
    )


class ClassBooks(class_book_pb2_grpc.ClassBookServiceServicer):
    """The servicer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def EnterAttendance(
        self, request: class_book_pb2.EnterAttendanceRequest, context: grpc.ServicerContext
    ) -> class_book_pb2.EnterAttendanceResponse:
        """Enter a month's absences."""
        who = caller()
        entered = attendance.enter_attendance(
            self._database,
            who,
            request_identity(request, request.request_id, who),
            class_ref(request.school_class),
            month=request.month,
            rows=[
                (row.student, [Absence(absence.day, absence.session, absence.excused) for absence in row.absences])
                for row in request.rows
            ],
        )
        return class_book_pb2.EnterAttendanceResponse(changed=entered.changed, unchanged=entered.unchanged)

    def GetAttendance(
        self, request: class_book_pb2.GetAttendanceRequest, context: grpc.ServicerContext
    ) -> class_book_pb2.GetAttendanceResponse:
        """A month's sheet."""
        rows, months = attendance.get_attendance(
            self._database, caller(), class_ref(request.school_class), request.month
        )
        return class_book_pb2.GetAttendanceResponse(rows=map(_row, rows), months=months)

    def RecordPrincipalRemark(
        self, request: class_book_pb2.RecordPrincipalRemarkRequest, context: grpc.ServicerContext
    ) -> class_book_pb2.RecordPrincipalRemarkResponse:
        """Record the principal's remark of a month."""
        version = principal_remarks.record_principal_remark(
            self._database, caller(), class_ref(request.school_class), request.month, request.remark
        )
        return class_book_pb2.RecordPrincipalRemarkResponse(version=version)

    def ListPrincipalRemarks(
        self, request: class_book_pb2.ListPrincipalRemarksRequest, context: grpc.ServicerContext
    ) -> class_book_pb2.ListPrincipalRemarksResponse:
        """Every version of every remark."""
        listed = principal_remarks.list_principal_remarks(self._database, caller(), class_ref(request.school_class))
        return class_book_pb2.ListPrincipalRemarksResponse(remarks=map(_remark, listed))

    def EnterSummerConduct(
        self, request: class_book_pb2.EnterSummerConductRequest, context: grpc.ServicerContext
    ) -> class_book_pb2.EnterSummerConductResponse:
        """Enter conduct after the summer."""
        who = caller()
        conduct.enter_summer_conduct(
            self._database,
            who,
            request_identity(request, request.request_id, who),
            class_ref(request.school_class),
            [(row.student, row.level) for row in request.rows],
        )
        return class_book_pb2.EnterSummerConductResponse()


def absences(sheet: Absences) -> list[class_book_pb2.Absence]:
    """The absent sessions of a sheet, by day and half."""
    return [
        class_book_pb2.Absence(
            day=session // 10,
            session=cast("class_book_pb2.Session.ValueType", session % 10),
            excused=session in sheet.excused,
        )
        for session in sorted(sheet.excused + sheet.unexcused)
    ]


def _remark(row: RemarkRow) -> class_book_pb2.PrincipalRemark:
    return class_book_pb2.PrincipalRemark(
        month=row.month,
        version=row.version,
        remark=row.remark,
        person=row.person,
        client=row.client,
        time=timestamp(row.time),
    )


def _row(row: SheetRow) -> class_book_pb2.AttendanceRow:
    sheet = row.sheet.absences
    excused, unexcused = row.year
    return class_book_pb2.AttendanceRow(
        student=row.student,
        absences=absences(sheet),
        excused=len(sheet.excused),
        unexcused=len(sheet.unexcused),
        year_excused=excused,
        year_unexcused=unexcused,
        version=row.sheet.version,
    )
