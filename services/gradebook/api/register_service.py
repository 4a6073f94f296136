"""RegisterService; see proto/hoso/gradebook/v1/register.proto."""

from datetime import date
from typing import cast

import grpc
from hoso.gradebook.v1 import register_pb2, register_pb2_grpc

from services.common.db import Database
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.common.message_fields import page_size, timestamp
from services.gradebook.api import pages
from services.gradebook.api.act_access import access_for
from services.gradebook.api.messages import class_ref, guardian, guardian_message, student, student_message
from services.gradebook.model.movement_rules import Details, MovementKind
from services.gradebook.model.permissions import Permission
from services.gradebook.model.register_rules import Asked, RegisterRow
from services.gradebook.register import movements, register, transfers
from services.gradebook.register.earlier_marks import Earlier, EarlierMarks
from services.gradebook.register.place_store import Place
from services.gradebook.register.register import Entry
from services.gradebook.register.register_store import MovementRow

_BOTH = Access(clients=("vendor/*", "operator/department"))
ACCESS = {
    "RegisterStudents": access_for(Permission.REGISTER_STUDENTS),
    "RecordMovement": access_for(Permission.REGISTER_STUDENTS, Permission.RECORD_MOVEMENT, Permission.RETURN_PAPERS),
    "TransferOut": access_for(Permission.TRANSFER_OUT),
    "TransferIn": access_for(Permission.TRANSFER_IN),
    "GetRegister": _BOTH,
    "ListMovements": _BOTH,
    "GetStudentPath": Access(clients=("vendor/*",)),
}
_LARGEST_NUMBER, _LARGEST_ID = 2**31, 2**63


def served(database: Database) -> Served:
    """The service over a database."""
    servicer = Register(database)
    return Served(
        add=lambda server: register_pb2_grpc.add_RegisterServiceServicer_to_server(servicer, server),
        name="hoso.gradebook.v1.RegisterService",
        access=ACCESS,
    )


class Register(register_pb2_grpc.RegisterServiceServicer):
    """The servicer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def RegisterStudents(
        self, request: register_pb2.RegisterStudentsRequest, context: grpc.ServicerContext
    ) -> register_pb2.RegisterStudentsResponse:
        """Give students register numbers."""
        rows = [RegisterRow(one.student, one.entered_on, _details(one.details)) for one in request.rows]
        numbers = register.register_students(self._database, caller(), request.school, request.school_year, rows)
        return register_pb2.RegisterStudentsResponse(register_numbers=numbers)

    def RecordMovement(
        self, request: register_pb2.RecordMovementRequest, context: grpc.ServicerContext
    ) -> register_pb2.RecordMovementResponse:
        """Record a movement inside the school."""
        asked = Asked(request.student, request.kind, request.date, _decision(request), request.reason, request.to_class)
        written = movements.record_movement(self._database, caller(), request.school, request.school_year, asked)
        return register_pb2.RecordMovementResponse(movement=_movement(written))

    def TransferOut(
        self, request: register_pb2.TransferOutRequest, context: grpc.ServicerContext
    ) -> register_pb2.TransferOutResponse:
        """Record that a student leaves for another school."""
        asked = Asked(
            request.student,
            MovementKind.TRANSFERRED_OUT,
            request.date,
            _decision(request),
            request.reason,
            other_school=request.to_school,
            other_name=request.to_school_name,
        )
        written = transfers.transfer_out(self._database, caller(), request.school, request.school_year, asked)
        return register_pb2.TransferOutResponse(movement=_movement(written))

    def TransferIn(
        self, request: register_pb2.TransferInRequest, context: grpc.ServicerContext
    ) -> register_pb2.TransferInResponse:
        """Take a student in from another school."""
        ref = class_ref(request.school_class)
        asked = Asked(
            request.student,
            MovementKind.TRANSFERRED_IN,
            request.date,
            _decision(request),
            request.reason,
            to_class=ref.name,
            other_school=request.from_school,
            other_name=request.from_school_name,
        )
        written, number = transfers.transfer_in(
            self._database,
            caller(),
            ref,
            asked,
            request.number,
            student(request.personal) if request.HasField("personal") else None,
            _details(request.details) if request.HasField("details") else None,
            _brought(request),
        )
        return register_pb2.TransferInResponse(movement=_movement(written), register_number=number)

    def GetRegister(
        self, request: register_pb2.GetRegisterRequest, context: grpc.ServicerContext
    ) -> register_pb2.GetRegisterResponse:
        """A page of the register."""
        limit = page_size(request.page_size)
        (after,) = cast(tuple[int], pages.decode(request.page_token, (0,), _LARGEST_NUMBER))
        found = register.get_register(self._database, caller(), request.school, request.school_year, after, limit)
        return register_pb2.GetRegisterResponse(
            entries=[_entry(one) for one in found],
            next_page_token=pages.encode((found[-1].registration.number,)) if len(found) == limit else "",
        )

    def ListMovements(
        self, request: register_pb2.ListMovementsRequest, context: grpc.ServicerContext
    ) -> register_pb2.ListMovementsResponse:
        """A page of movements."""
        limit = page_size(request.page_size)
        (after,) = cast(tuple[int], pages.decode(request.page_token, (0,), _LARGEST_ID))
        found = register.list_movements(
            self._database, caller(), request.school, request.school_year, request.student, after, limit
        )
        return register_pb2.ListMovementsResponse(
            movements=[_movement(one) for one in found],
            next_page_token=pages.encode((found[-1].id,)) if len(found) == limit else "",
        )

    def GetStudentPath(
        self, request: register_pb2.GetStudentPathRequest, context: grpc.ServicerContext
    ) -> register_pb2.GetStudentPathResponse:
        """Where a student has studied."""
        path = register.student_path(self._database, caller(), request.school, request.student)
        return register_pb2.GetStudentPathResponse(
            stations=[
                register_pb2.PathStation(
                    school=place.school, school_name=place.school_name, register_number=number, year=_year(place)
                )
                for place, number in path.stations
            ],
            movements=[_movement(one) for one in path.movements],
        )


def _details(one: register_pb2.RegisterDetails) -> Details:
    return Details(
        one.national_id,
        one.nationality,
        guardian(one.guardian) if one.HasField("guardian") else None,
        one.from_school,
        one.note,
    )


def _brought(request: register_pb2.TransferInRequest) -> Earlier:
    absences = request.earlier_absences
    return Earlier(
        [
            EarlierMarks(
                one.subject,
                one.semester,
                [(column.kind, column.position) for column in one.columns],
                list(one.values),
            )
            for one in request.earlier_marks
        ],
        [(one.semester, one.level) for one in request.earlier_conduct],
        (absences.excused, absences.unexcused) if request.HasField("earlier_absences") else None,
    )


def _decision(
    request: register_pb2.RecordMovementRequest | register_pb2.TransferOutRequest | register_pb2.TransferInRequest,
) -> tuple[str, str] | None:
    return (request.decision.number, request.decision.date) if request.HasField("decision") else None


def _movement(one: MovementRow) -> register_pb2.Movement:
    decision = one.decision
    return register_pb2.Movement(
        id=one.id,
        school=one.school,
        school_year=one.school_year,
        student=one.student,
        kind=cast("register_pb2.MovementKind.ValueType", one.kind),
        date=one.day.isoformat(),
        decision=register_pb2.Decision(number=decision.number, date=decision.date.isoformat()) if decision else None,
        reason=one.reason,
        other_school=one.other_school,
        other_school_name=one.other_school_name,
        from_class=one.from_class,
        to_class=one.to_class,
        person=one.person,
        client=one.client,
        time=timestamp(one.time),
        carried=one.carried,
    )


def _entry(one: Entry) -> register_pb2.RegisterEntry:
    line = one.registration
    details = line.details
    return register_pb2.RegisterEntry(
        register_number=line.number,
        student=student_message(one.places[-1].personal) if one.places else None,
        entered_on=line.entered_on.isoformat(),
        details=register_pb2.RegisterDetails(
            national_id=details.national_id,
            nationality=details.nationality,
            guardian=guardian_message(details.guardian),
            from_school=details.from_school,
            note=details.note,
        ),
        state=cast("register_pb2.StudentState.ValueType", int(one.standing.state)),
        left_on=_text(one.left_on),
        papers_returned=one.standing.papers,
        years=[_year(place) for place in one.places],
    )


def _year(place: Place) -> register_pb2.RegisterYear:
    return register_pb2.RegisterYear(
        school_year=place.school_year,
        class_name=place.class_name,
        grade_level=place.grade_level,
        joined_on=_text(place.joined_on),
        left_on=_text(place.left_on),
    )


def _text(day: date | None) -> str:
    return "" if day is None else day.isoformat()
