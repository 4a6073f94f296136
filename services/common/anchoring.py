"""The job that anchors a service's audit heads in the archive, once a day and when an operator asks
(ADR-0051).

The service compares its chains with its newest anchor before it makes the next one: a chain that
was forged or put back is never anchored, so the newest anchor always tells of it.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from hoso.operations.v1 import anchors_pb2
from hoso.operations.v1.anchors_pb2_grpc import AnchorServiceStub

from services.common import anchor, audit, days, jobs, log
from services.common.anchor import Signer, Statement
from services.common.config import ConfigError
from services.common.db import Database, Tx
from services.common.errors import HosoError, NotFound, Rejected, Waiting
from services.common.grpc_client import DEADLINE_S, calling, channel
from services.common.jobs import Job
from services.common.settings import AnchorConfig

JOB = "anchor-audit"
"""Kind of the job. Its key is a day in UTC (``2026-12-01``), or ``asked/<uuid>`` when an operator
asked for it.
"""

_PATIENCE_S = 5.0
_log = log.get(__name__)


@dataclass(frozen=True)
class Anchoring:
    """What the job needs. trusted: PEM of the CAs that issue anchor certificates."""

    service: str
    database: Database
    archive: AnchorServiceStub
    signer: Signer
    trusted: bytes


class _Anchor(NamedTuple):
    """A locked anchor, and the digest by which the next one names it."""

    statement: Statement
    sha256: bytes


def start(
    service: str, database: Database, config: AnchorConfig | None, stop: threading.Event
) -> Mapping[str, Callable[[Job], None]]:
    """The handler for `worker.run`, and a thread that queues its job every day until `stop` is set.

    Without configuration nothing is anchored, and `hoso audit` says so. Raises ConfigError.
    """
    if config is None:
        _log.warning("audit heads are not anchored: [anchor] is not configured")
        return {}
    anchoring = Anchoring(
        service,
        database,
        AnchorServiceStub(channel(config.archive, "archive")),
        anchor.load_signer(config, service),
        config.archive.tls.ca_file.read_bytes(),
    )
    days.queue_every_day(JOB, database, stop, queue_day)
    return {JOB: lambda job: make(anchoring, job)}


def problems(service: str, config: AnchorConfig | None) -> list[str]:
    """What keeps a service from anchoring, for `check-config`; empty when nothing is configured."""
    if config is None:
        return []
    try:
        anchor.load_signer(config, service)
        if service != "archive":  # which need not serve while its own configuration is checked
            with channel(config.archive, "archive") as open_channel, calling("archive"):
                request = anchors_pb2.GetAnchorRequest(service=service)
                AnchorServiceStub(open_channel).GetAnchor(request, timeout=_PATIENCE_S)
    except ConfigError as e:
        return [str(e)]
    except HosoError as e:
        return [] if e.reason == "ANCHOR_UNKNOWN" else [f"archive: {e.reason} {e.message}"]
    return []


def queue_day(tx: Tx, now: datetime) -> bool:
    """Queue the anchor of the day of `now` (aware). False when it was queued before."""
    return jobs.enqueue(tx, JOB, days.day(now), {})


def make(anchoring: Anchoring, job: Job) -> None:
    """Anchor the heads as they are, unless the job is of a day that has its anchor; finishes `job`.

    Raises Rejected AUDIT_DIFFERS_FROM_ANCHOR when a chain is not the one that was anchored,
    ANCHOR_INVALID when the newest anchor is not ours; Waiting when another anchor was locked
    meanwhile; Unavailable.
    """
    newest = _newest(anchoring)
    if newest is None or job.key.startswith("asked/") or days.day(newest.statement.time) < job.key:
        _lock(anchoring, _next(anchoring, newest))
    with anchoring.database.transaction() as tx:
        jobs.finish(tx, job)


def _newest(anchoring: Anchoring) -> _Anchor | None:
    """The newest anchor of this service; None before the first."""
    request = anchors_pb2.GetAnchorRequest(service=anchoring.service)
    try:
        with calling("archive"):
            answer = anchoring.archive.GetAnchor(request, timeout=DEADLINE_S)
    except NotFound as e:
        if e.reason != "ANCHOR_UNKNOWN":
            raise
        return None
    try:
        statement = anchor.read(answer.statement, anchoring.service, anchoring.trusted)
    except anchor.AnchorInvalid as e:
        raise Rejected("ANCHOR_INVALID", "Mốc nhật kí mới nhất không hợp lệ.", why=e.reason) from e
    return _Anchor(statement, anchor.sha256(answer.statement))


def _next(anchoring: Anchoring, newest: _Anchor | None) -> Statement:
    with anchoring.database.transaction() as tx:
        changed = audit.differences(tx, newest.statement.heads) if newest else []
        heads = audit.heads(tx)
    if changed:
        raise Rejected(
            "AUDIT_DIFFERS_FROM_ANCHOR",
            "Nhật kí khác với mốc đã khóa; cần kiểm tra ngay.",
            chain=changed[0].chain,
            sequence=changed[0].sequence,
            chains=len(changed),
        )
    return Statement(
        service=anchoring.service,
        number=newest.statement.number + 1 if newest else 1,
        previous_sha256=newest.sha256 if newest else b"",
        time=datetime.now(UTC),
        heads=tuple(heads),
    )


def _lock(anchoring: Anchoring, statement: Statement) -> None:
    request = anchors_pb2.AnchorAuditHeadsRequest(statement=anchor.sign(statement, anchoring.signer))
    try:
        with calling("archive"):
            anchoring.archive.AnchorAuditHeads(request, timeout=DEADLINE_S)
    except Rejected as e:
        if e.reason != "ANCHOR_NOT_NEXT":
            raise
        raise Waiting(e.reason, e.message, **e.facts) from e
