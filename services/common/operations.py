"""What an operator sees and does in every service alike, and the audit row that a refusal leaves."""

import grpc
from hoso.operations.v1 import operations_pb2, operations_pb2_grpc

from services.common import audit, jobs, log, outbox
from services.common.db import Database
from services.common.errors import HosoError, Unavailable
from services.common.grpc_server import Refusal, Served
from services.common.identity import Access, Caller, caller
from services.common.message_fields import before_id, page_size, timestamp

_OPERATOR = Access(clients=("operator/*",))
ACCESS = {
    "GetStatus": _OPERATOR,
    "ListDeadJobs": _OPERATOR,
    "ReplayJob": _OPERATOR,
    "VerifyAudit": _OPERATOR,
}

_log = log.get(__name__)


def served(database: Database) -> Served:
    """OperationsService over one service's database, ready for `grpc_server.serve`."""
    servicer = Operations(database)
    return Served(
        add=lambda server: operations_pb2_grpc.add_OperationsServiceServicer_to_server(servicer, server),
        name="hoso.operations.v1.OperationsService",
        access=ACCESS,
    )


def record_refusal(database: Database) -> Refusal:
    """What `grpc_server.serve` calls after a refusal: an audit row in the chain ``access``.

    A caller who may not pass is refused even while the database is away; then the log line alone remains.
    """

    def record(who: Caller, rpc: str, error: HosoError) -> None:
        try:
            with database.transaction() as tx:
                audit.append(tx, "access", "REFUSED", rpc, {"reason": error.reason} | error.facts, who)
        except Unavailable as e:
            _log.error("refusal without audit row", rpc=rpc, client=who.client, reason=e.reason)

    return record


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
            audit.append(tx, "operations", "JOB_REPLAYED", f"jobs/{request.job}", {}, caller())
        return operations_pb2.ReplayJobResponse()

    def VerifyAudit(
        self, request: operations_pb2.VerifyAuditRequest, context: grpc.ServicerContext
    ) -> operations_pb2.VerifyAuditResponse:
        """Recompute every audit chain."""
        with self._database.transaction() as tx:
            rows, breaks = audit.verify_all(tx)
        answer = operations_pb2.VerifyAuditResponse(rows=rows)
        for one in breaks:
            answer.breaks.add(chain=one.chain, sequence=one.sequence, reason=one.reason)
        return answer
