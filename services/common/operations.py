"""What an operator sees and does in every service alike."""

import uuid
from collections.abc import Iterator

import grpc
from hoso.operations.v1 import operations_pb2, operations_pb2_grpc

from services.common import anchoring, audit, jobs, log, outbox
from services.common.db import Database
from services.common.errors import Rejected
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.common.message_fields import before_id, page_size, timestamp

_OPERATOR = Access(clients=("operator/department",))
ACCESS = {
    "GetStatus": _OPERATOR,
    "ListDeadJobs": _OPERATOR,
    "ReplayJob": _OPERATOR,
    "VerifyAudit": _OPERATOR,
    "VerifyAuditChains": _OPERATOR,
    "AnchorAudit": _OPERATOR,
}
MAX_ROWS_AT_ONCE = 200_000
"""Most audit rows that the unary VerifyAudit recomputes: some ten seconds."""

_log = log.get(__name__)


def served(database: Database) -> Served:
    """OperationsService over one service's database, ready for `grpc_server.serve`."""
    servicer = Operations(database)
    return Served(
        add=lambda server: operations_pb2_grpc.add_OperationsServiceServicer_to_server(servicer, server),
        name="hoso.operations.v1.OperationsService",
        access=ACCESS,
    )


class Operations(operations_pb2_grpc.OperationsServiceServicer):
    """The servicer; see proto/hoso/operations/v1/operations.proto."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def GetStatus(
        self, request: operations_pb2.GetStatusRequest, context: grpc.ServicerContext
    ) -> operations_pb2.GetStatusResponse:
        """Depth and age of unfinished work."""
        with self._database.transaction() as tx:
            events, work = outbox.state(tx), jobs.state(tx)
        return operations_pb2.GetStatusResponse(
            outbox_pending=events.pending,
            outbox_oldest_time=timestamp(events.oldest_time),
            jobs_open=work.open,
            jobs_oldest_time=timestamp(work.oldest_time),
            jobs_dead=work.dead,
        )

    def ListDeadJobs(
        self, request: operations_pb2.ListDeadJobsRequest, context: grpc.ServicerContext
    ) -> operations_pb2.ListDeadJobsResponse:
        """Jobs that gave up, newest first."""
        size = page_size(request.page_size)
        before = before_id(request.page_token)
        with self._database.transaction() as tx:
            dead = jobs.list_dead(tx, limit=size, before_id=before)
        answer = operations_pb2.ListDeadJobsResponse(next_page_token=str(dead[-1].id) if len(dead) == size else "")
        for job in dead:
            answer.jobs.add(
                id=job.id,
                kind=job.kind,
                key=job.key,
                attempts=job.attempts,
                last_error=job.last_error,
                dead_time=timestamp(job.dead_time),
            )
        return answer

    def ReplayJob(
        self, request: operations_pb2.ReplayJobRequest, context: grpc.ServicerContext
    ) -> operations_pb2.ReplayJobResponse:
        """Make a dead job due again, on record."""
        with self._database.transaction() as tx:
            jobs.replay(tx, request.job)
            audit.append(tx, audit.AuditRow("operations", "JOB_REPLAYED", f"jobs/{request.job}", {}, caller()))
        return operations_pb2.ReplayJobResponse()

    def VerifyAudit(
        self, request: operations_pb2.VerifyAuditRequest, context: grpc.ServicerContext
    ) -> operations_pb2.VerifyAuditResponse:
        """Recompute one audit chain, or all when they are short."""
        answer = operations_pb2.VerifyAuditResponse()
        for progress in audit.check_chains(self._database, request.chain):
            if not context.is_active():
                break
            if progress.rows > MAX_ROWS_AT_ONCE:
                message = "Nhật kí quá dài cho một lần gọi; hãy dùng VerifyAuditChains."
                raise Rejected("AUDIT_TOO_LONG", message, limit_rows=MAX_ROWS_AT_ONCE)
            answer.rows = progress.rows
            answer.breaks.extend(map(_break, progress.breaks))
        return answer

    def VerifyAuditChains(
        self, request: operations_pb2.VerifyAuditChainsRequest, context: grpc.ServicerContext
    ) -> Iterator[operations_pb2.VerifyAuditChainsResponse]:
        """Recompute chain after chain and tell how far it is.

        A batch is checked when gRPC asks for the next message, which it does not once the caller
        has gone.
        """
        anchored = [audit.ChainHead(head.chain, head.sequence, head.sha256) for head in request.anchored]
        for progress in audit.check_chains(self._database, request.chain, anchored):
            yield operations_pb2.VerifyAuditChainsResponse(
                rows=progress.rows,
                chains_done=progress.chains_done,
                chains_total=progress.chains_total,
                breaks=map(_break, progress.breaks),
                oldest_time=timestamp(progress.oldest_time),
            )

    def AnchorAudit(
        self, request: operations_pb2.AnchorAuditRequest, context: grpc.ServicerContext
    ) -> operations_pb2.AnchorAuditResponse:
        """Queue an anchor apart from the daily one, on record."""
        key = f"asked/{uuid.uuid4()}"
        with self._database.transaction() as tx:
            jobs.enqueue(tx, anchoring.JOB, key, {}, priority=10)
            audit.append(tx, audit.AuditRow("operations", "ANCHOR_ASKED", f"jobs/{anchoring.JOB}/{key}", {}, caller()))
        return operations_pb2.AnchorAuditResponse()


def _break(problem: audit.Break) -> operations_pb2.AuditBreak:
    return operations_pb2.AuditBreak(chain=problem.chain, sequence=problem.sequence, reason=problem.reason)
