"""RemarkService; see proto/hoso/gradebook/v1/remarks.proto."""

import grpc
from hoso.gradebook.v1 import remarks_pb2, remarks_pb2_grpc

from services.common.db import Database
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.gradebook.api import messages
from services.gradebook.api.act_access import access_for
from services.gradebook.api.messages import class_ref
from services.gradebook.api.request_identity import request_identity
from services.gradebook.entry import remarks
from services.gradebook.model.permissions import Permission

ACCESS = {
    "EnterRemarks": access_for(Permission.ENTER_SUBJECT_REMARKS, Permission.ENTER_HOMEROOM_REMARKS),
    "GetRemarks": Access(clients=("vendor/*",)),
}


def served(database: Database) -> Served:
    """The service over a database."""
    servicer = Remarks(database)
    return Served(
        add=lambda server: remarks_pb2_grpc.add_RemarkServiceServicer_to_server(servicer, server),
        name="hoso.gradebook.v1.RemarkService",
        access=ACCESS,
    )


class Remarks(remarks_pb2_grpc.RemarkServiceServicer):
    """The servicer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def EnterRemarks(
        self, request: remarks_pb2.EnterRemarksRequest, context: grpc.ServicerContext
    ) -> remarks_pb2.EnterRemarksResponse:
        """Enter remarks."""
        who = caller()
        entered = remarks.enter_remarks(
            self._database,
            who,
            request_identity(request, request.request_id, who),
            class_ref(request.school_class),
            subject=request.subject,
            period=request.period,
            rows=[(row.student, row.text) for row in request.rows],
        )
        return remarks_pb2.EnterRemarksResponse(changed=entered.changed, unchanged=entered.unchanged)

    def GetRemarks(
        self, request: remarks_pb2.GetRemarksRequest, context: grpc.ServicerContext
    ) -> remarks_pb2.GetRemarksResponse:
        """Remarks as they stand, or one student's versions."""
        texts = remarks.get_remarks(
            self._database,
            caller(),
            class_ref(request.school_class),
            subject=request.subject,
            period=request.period,
            student=request.student,
        )
        return remarks_pb2.GetRemarksResponse(remarks=messages.texts(remarks_pb2.Remark, texts))
