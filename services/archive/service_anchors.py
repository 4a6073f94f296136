"""AnchorService over gRPC: messages ↔ arguments. See proto/hoso/operations/v1/anchors.proto."""

from datetime import datetime

import grpc
from hoso.operations.v1 import anchors_pb2 as pb
from hoso.operations.v1 import anchors_pb2_grpc

from services.archive.anchors import Anchors
from services.archive.domain import Anchor
from services.common.errors import Forbidden, Invalid, Violation
from services.common.grpc_server import Served
from services.common.identity import Access, caller, service_of
from services.common.message_fields import before_id, page_size, timestamp

ACCESS = {
    "AnchorAuditHeads": Access(clients=("service/*",)),
    "ListAnchors": Access(clients=("operator/department",)),
    "GetAnchor": Access(clients=("operator/department", "service/*")),
}


def served(anchors: Anchors) -> Served:
    """AnchorService, ready for `grpc_server.serve`."""
    servicer = AnchorServicer(anchors)
    return Served(
        add=lambda server: anchors_pb2_grpc.add_AnchorServiceServicer_to_server(servicer, server),
        name="hoso.operations.v1.AnchorService",
        access=ACCESS,
    )


class AnchorServicer(anchors_pb2_grpc.AnchorServiceServicer):
    """The servicer; errors are raised as those of `services.common.errors`."""

    def __init__(self, anchors: Anchors) -> None:
        self._anchors = anchors

    def AnchorAuditHeads(
        self, request: pb.AnchorAuditHeadsRequest, context: grpc.ServicerContext
    ) -> pb.AnchorAuditHeadsResponse:
        """Lock the next anchor of the calling service."""
        locked, until = self._anchors.lock(request.statement)
        return pb.AnchorAuditHeadsResponse(anchor=_anchor(locked, until))

    def ListAnchors(self, request: pb.ListAnchorsRequest, context: grpc.ServicerContext) -> pb.ListAnchorsResponse:
        """The anchors of a service, newest first."""
        size = page_size(request.page_size)
        before = before_id(request.page_token)
        anchors = [a for a in self._anchors.newest_first(request.service) if before is None or a.number < before]
        token = str(anchors[size - 1].number) if len(anchors) > size else ""
        return pb.ListAnchorsResponse(anchors=[_anchor(a) for a in anchors[:size]], next_page_token=token)

    def GetAnchor(self, request: pb.GetAnchorRequest, context: grpc.ServicerContext) -> pb.GetAnchorResponse:
        """An anchor with the statement as the store has it."""
        _may_read(request.service)
        if request.number < 0:
            raise Invalid([Violation("number", "OUT_OF_RANGE", "Số của mốc phải từ 1 (0 là mốc mới nhất).")])
        anchor, signed, until = self._anchors.get(request.service, request.number)
        return pb.GetAnchorResponse(anchor=_anchor(anchor, until), statement=signed)


def _may_read(service: str) -> None:
    """A service reads its own anchors only."""
    if service_of(caller().client) not in {None, service}:
        message = "Mỗi dịch vụ chỉ được đọc mốc nhật kí của chính mình."
        raise Forbidden("ANCHOR_OF_ANOTHER", message, service=service)


def _anchor(anchor: Anchor, until: datetime | None = None) -> pb.Anchor:
    return pb.Anchor(
        service=anchor.service,
        number=anchor.number,
        sha256=anchor.sha256,
        key=anchor.key,
        version_id=anchor.version_id,
        retain_until_time=timestamp(until),
    )
