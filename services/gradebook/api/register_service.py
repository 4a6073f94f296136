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
from services.gradebook.model.register_rules import MovementRequest, RegisterRow
from services.gradebook.register import movements, student_register, transfers
from services.gradebook.register.earlier_marks import EarlierData, EarlierSheet
from services.gradebook.register.place_store import ClassPlace
from services.gradebook.register.register_store import MovementRow
from services.gradebook.register.student_register import RegisterLine

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
    """Serves RegisterService over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def RegisterStudents(
        self, request: register_pb2.RegisterStudentsRequest, context: grpc.ServicerContext
    ) -> register_pb2.RegisterStudentsResponse:
        """Give students register numbers."""
        rows = [RegisterRow(row.student, row.entered_on, _details(row.details)) for row in request.rows]
        numbers = student_register.register_students(
            self._database, caller(), request.school, request.school_year, rows
        )
        return register_pb2.RegisterStudentsResponse(register_numbers=numbers)

    def RecordMovement(
        self, request: register_pb2.RecordMovementRequest, context: grpc.ServicerContext
    ) -> register_pb2.RecordMovementResponse:
        """Record a movement inside the school."""
        wanted = MovementRequest(
            student=request.student,
            kind=request.kind,
            day=request.date,
            decision=_decision(request),
            reason=request.reason,
            to_class=request.to_class,
        )
        movement = movements.record_movement(self._database, caller(), request.school, request.school_year, wanted)
        return register_pb2.RecordMovementResponse(movement=_movement(movement))

    def TransferOut(
        self, request: register_pb2.TransferOutRequest, context: grpc.ServicerContext
    ) -> register_pb2.TransferOutResponse:
        """Record that a student leaves for another school."""
        wanted = MovementRequest(
            student=request.student,
            kind=MovementKind.TRANSFERRED_OUT,
            day=request.date,
            decision=_decision(request),
            reason=request.reason,
            other_school=request.to_school,
            other_name=request.to_school_name,
        )
        movement = transfers.transfer_out(self._database, caller(), request.school, request.school_year, wanted)
        return register_pb2.TransferOutResponse(movement=_movement(movement))

    def TransferIn(
        self, request: register_pb2.TransferInRequest, context: grpc.ServicerContext
    ) -> register_pb2.TransferInResponse:
        """Take a student in from another school."""
        ref = class_ref(request.school_class)
        wanted = MovementRequest(
            student=request.student,
            kind=MovementKind.TRANSFERRED_IN,
            day=request.date,
            decision=_decision(request),
            reason=request.reason,
            to_class=ref.name,
            other_school=request.from_school,
            other_name=request.from_school_name,
        )
        arrival = transfers.transfer_in(
            self._database,
            caller(),
            ref,
            wanted,
            number=request.number,
            personal=student(request.personal) if request.HasField("personal") else None,
            details=_details(request.details) if request.HasField("details") else None,
            earlier=_earlier_data(request),
        )
        return register_pb2.TransferInResponse(
            movement=_movement(arrival.movement), register_number=arrival.register_number
        )

    def GetRegister(
        self, request: register_pb2.GetRegisterRequest, context: grpc.ServicerContext
    ) -> register_pb2.GetRegisterResponse:
        """A page of the register."""
        limit = page_size(request.page_size)
        (after,) = cast(tuple[int], pages.decode(request.page_token, (0,), _LARGEST_NUMBER))
        lines = student_register.get_register(
            self._database, caller(), request.school, request.school_year, after=after, limit=limit
        )
        return register_pb2.GetRegisterResponse(
            entries=[_entry(line) for line in lines],
            next_page_token=pages.encode((lines[-1].registration.number,)) if len(lines) == limit else "",
        )

    def ListMovements(
        self, request: register_pb2.ListMovementsRequest, context: grpc.ServicerContext
    ) -> register_pb2.ListMovementsResponse:
        """A page of movements."""
        limit = page_size(request.page_size)
        (after,) = cast(tuple[int], pages.decode(request.page_token, (0,), _LARGEST_ID))
        page = student_register.list_movements(
            self._database, caller(), request.school, request.school_year, request.student, after=after, limit=limit
        )
        return register_pb2.ListMovementsResponse(
            movements=[_movement(movement) for movement in page],
            next_page_token=pages.encode((page[-1].id,)) if len(page) == limit else "",
        )

    def GetStudentPath(
        self, request: register_pb2.GetStudentPathRequest, context: grpc.ServicerContext
    ) -> register_pb2.GetStudentPathResponse:
        """Where a student has studied."""
        path = student_register.student_path(self._database, caller(), request.school, request.student)
        return register_pb2.GetStudentPathResponse(
            stations=[
                register_pb2.PathStation(
                    school=station.place.school,
                    school_name=station.place.school_name,
                    register_number=station.register_number,
                    year=_year(station.place),
                )
                for station in path.stations
            ],
            movements=[_movement(movement) for movement in path.movements],
        )


def _details(message: register_pb2.RegisterDetails) -> Details:
    return Details(
        national_id=message.national_id,
        nationality=message.nationality,
        guardian=guardian(message.guardian) if message.HasField("guardian") else None,
        from_school=message.from_school,
        note=message.note,
    )


def _earlier_data(request: register_pb2.TransferInRequest) -> EarlierData:
    absences = request.earlier_absences
    return EarlierData(
        [
            EarlierSheet(
                sheet.subject,
                sheet.semester,
                [(column.kind, column.position) for column in sheet.columns],
                list(sheet.values),
            )
            for sheet in request.earlier_marks
        ],
        [(conduct.semester, conduct.level) for conduct in request.earlier_conduct],
        (absences.excused, absences.unexcused) if request.HasField("earlier_absences") else None,
    )


def _decision(
    request: register_pb2.RecordMovementRequest | register_pb2.TransferOutRequest | register_pb2.TransferInRequest,
) -> tuple[str, str] | None:
    return (request.decision.number, request.decision.date) if request.HasField("decision") else None


def _movement(movement: MovementRow) -> register_pb2.Movement:
    decision = movement.decision
    return register_pb2.Movement(
        id=movement.id,
        school=movement.school,
        school_year=movement.school_year,
        student=movement.student,
        kind=cast("register_pb2.MovementKind.ValueType", movement.kind),
        date=movement.day.isoformat(),
        decision=register_pb2.Decision(number=decision.number, date=decision.date.isoformat()) if decision else None,
        reason=movement.reason,
        other_school=movement.other_school,
        other_school_name=movement.other_school_name,
        from_class=movement.from_class,
        to_class=movement.to_class,
        person=movement.person,
        client=movement.client,
        time=timestamp(movement.time),
        carried=movement.carried,
    )


def _entry(line: RegisterLine) -> register_pb2.RegisterEntry:
    registration = line.registration
    details = registration.details
    return register_pb2.RegisterEntry(
        register_number=registration.number,
        student=student_message(line.places[-1].personal) if line.places else None,
        entered_on=registration.entered_on.isoformat(),
        details=register_pb2.RegisterDetails(
            national_id=details.national_id,
            nationality=details.nationality,
            guardian=guardian_message(details.guardian),
            from_school=details.from_school,
            note=details.note,
        ),
        state=cast("register_pb2.StudentState.ValueType", int(line.status.state)),
        left_on=_text(line.left_on),
        papers_returned=line.status.papers,
        years=[_year(place) for place in line.places],
    )


def _year(place: ClassPlace) -> register_pb2.RegisterYear:
    return register_pb2.RegisterYear(
        school_year=place.school_year,
        class_name=place.class_name,
        grade_level=place.grade_level,
        joined_on=_text(place.joined_on),
        left_on=_text(place.left_on),
    )


def _text(day: date | None) -> str:
    return "" if day is None else day.isoformat()
