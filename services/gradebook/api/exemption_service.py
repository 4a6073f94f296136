"""ExemptionService; see proto/hoso/gradebook/v1/exemptions.proto."""

from typing import cast

import grpc
from hoso.gradebook.v1 import common_pb2, exemptions_pb2, exemptions_pb2_grpc

from services.common.db import Database
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.common.message_fields import timestamp
from services.gradebook.api.act_access import access_for
from services.gradebook.api.messages import class_ref
from services.gradebook.api.request_identity import request_identity
from services.gradebook.entry import exemptions
from services.gradebook.entry.exemptions import ExemptionEntry
from services.gradebook.entry.store.exemptions import DecisionRow
from services.gradebook.model.permissions import Permission

ACCESS = {
    "RecordPracticalExemption": access_for(Permission.RECORD_EXEMPTION),
    "ListPracticalExemptions": Access(clients=("vendor/*",)),
}


def served(database: Database) -> Served:
    """The service over a database."""
    servicer = Exemptions(database)
    return Served(
        add=lambda server: exemptions_pb2_grpc.add_ExemptionServiceServicer_to_server(servicer, server),
        name="hoso.gradebook.v1.ExemptionService",
        access=ACCESS,
    )


class Exemptions(exemptions_pb2_grpc.ExemptionServiceServicer):
    """The servicer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def RecordPracticalExemption(
        self, request: exemptions_pb2.RecordPracticalExemptionRequest, context: grpc.ServicerContext
    ) -> exemptions_pb2.RecordPracticalExemptionResponse:
        """Record or end an exemption."""
        who = caller()
        exemptions.record_practical_exemption(
            self._database,
            who,
            request_identity(request, request.request_id, who),
            class_ref(request.school_class),
            ExemptionEntry(request.subject, request.student, request.semesters, request.decision, request.withdrawn),
        )
        return exemptions_pb2.RecordPracticalExemptionResponse()

    def ListPracticalExemptions(
        self, request: exemptions_pb2.ListPracticalExemptionsRequest, context: grpc.ServicerContext
    ) -> exemptions_pb2.ListPracticalExemptionsResponse:
        """The decisions about a class."""
        decisions = exemptions.list_practical_exemptions(self._database, caller(), class_ref(request.school_class))
        return exemptions_pb2.ListPracticalExemptionsResponse(exemptions=map(_message, decisions))


def _message(row: DecisionRow) -> exemptions_pb2.PracticalExemption:
    return exemptions_pb2.PracticalExemption(
        student=row.student,
        subject=row.subject,
        semesters=cast("list[common_pb2.Semester.ValueType]", row.semesters),
        decision=row.decision,
        withdrawn=row.withdrawn,
        person=row.person,
        client=row.client,
        time=timestamp(row.time),
    )
