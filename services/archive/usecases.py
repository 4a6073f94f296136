"""What archive does in its database, each in the caller's transaction: register, refuse, set a
policy, record a probe.

Read this file first. `locking` locks an object before its record is added here; `verification`
reads it again later; `anchors` locks the audit heads of the services.
"""

from collections.abc import Sequence
from dataclasses import replace

from hoso.archive.v1 import events_pb2

from services.archive import domain, store
from services.archive.differences import Comparison
from services.archive.domain import JOURNAL, RECORD_ARCHIVED, Kind, Policy, Record
from services.archive.proof import ProbeReport
from services.common import audit, jobs, outbox, standing
from services.common.db import Tx
from services.common.errors import Forged, NotFound, Waiting
from services.common.identity import SYSTEM, caller
from services.common.jobs import Job


def require_proven(tx: Tx, endpoint: str, bucket: str) -> None:
    """Nothing is accepted before the newest probe of the configured store has passed.

    Raises Waiting STORE_NOT_PROVEN.
    """
    newest = store.newest_probe(tx, endpoint, bucket)
    if newest is None or not newest.passed:
        raise Waiting(
            "STORE_NOT_PROVEN",
            "Kho lưu trữ chưa được chứng minh là không thể sửa xóa; chạy vai trò `probe`.",
            endpoint=endpoint,
            bucket=bucket,
        )


def already_registered(tx: Tx, job: Job, *, kind: str, source: str, version: int, object_sha256: bytes | None) -> bool:
    """Whether this record is in the register already; then `job` is finished.

    object_sha256: what the object must be; None when only the content is announced. Raises Forged
    RECORD_DIFFERS when the register holds another object for the same book version: nothing
    archived is ever replaced.
    """
    record = store.find_source(tx, kind, source, version)
    if record is None:
        return False
    if object_sha256 is not None and record.object_sha256 != object_sha256:
        raise Forged(
            "RECORD_DIFFERS",
            "Phiên bản này đã được lưu trữ với nội dung khác.",
            kind=kind,
            source=source,
            version=version,
        )
    jobs.finish(tx, job)
    return True


def register(tx: Tx, job: Job, record: Record) -> None:
    """Add a locked object to the register, announce it and finish its job."""
    name = f"records/{record.id}"
    event: events_pb2.SnapshotArchived | events_pb2.RecordArchived
    if record.kind == Kind.SNAPSHOT:
        event = events_pb2.SnapshotArchived(
            snapshot=record.source, record=str(record.id), content_sha256=record.content_sha256
        )
    else:
        event = events_pb2.RecordArchived(
            book=record.source,
            version=record.version,
            record=str(record.id),
            content_sha256=record.content_sha256,
            object_sha256=record.object_sha256,
        )
    outbox.add(tx, event)
    jobs.finish(tx, job)
    sequence, row_hash = store.add_record(tx, record)
    facts = {
        "kind": record.kind,
        "key": record.key,
        "version_id": record.version_id,
        "sequence": str(sequence),
        "hash": row_hash.hex(),
    }
    audit.append(tx, audit.AuditRow(JOURNAL, RECORD_ARCHIVED, name, facts, replace(SYSTEM, school=record.school)))


def refuse(tx: Tx, job: Job, failed: Sequence[str]) -> None:
    """Announce that a sealed book did not pass; nothing of it is kept. Its job is done."""
    book, version = job.payload["book"], int(job.payload["version"])
    outbox.add(tx, events_pb2.RecordRefused(book=book, version=version, failed_checks=failed))
    jobs.finish(tx, job)
    facts = {"version": str(version), "failed": ", ".join(failed), "document_sha256": job.payload["document_sha256"]}
    actor = replace(SYSTEM, school=job.payload["school"])
    audit.append(tx, audit.AuditRow(JOURNAL, "RECORD_REFUSED", f"books/{book}", facts, actor))


def record_probe(tx: Tx, report: ProbeReport) -> None:
    """Keep a probe's report; when it passed, records that waited for it go on."""
    store.add_probe(tx, report)
    if report.passed:
        for kind in (domain.LOCK_SNAPSHOT_JOB, domain.LOCK_BOOK_JOB):
            jobs.wake(tx, kind, jobs.aside(tx, kind))
    facts = {"bucket": report.bucket, "passed": str(report.passed)}
    audit.append(tx, audit.AuditRow(JOURNAL, "STORE_PROBED", report.endpoint, facts, SYSTEM))


def record_comparison(tx: Tx, result: Comparison) -> None:
    """Keep a comparison of journal, register and store."""
    store.add_comparison(tx, result)
    facts = {
        "records": str(result.records),
        "objects": str(result.objects),
        "differences": str(result.count),
    }
    audit.append(tx, audit.AuditRow(JOURNAL, "STORE_COMPARED", "comparisons", facts, SYSTEM))


def put_policy(tx: Tx, asked: Policy) -> Policy:
    """Add the next version of a retention policy; records already archived keep their term, which
    is never shortened.

    Putting what is in force already changes nothing. Raises Invalid: RETENTION_YEARS,
    LEGAL_REFERENCE.
    """
    domain.check_policy(asked, store.lock_bounds(tx, asked.kind))
    current = store.policy(tx, asked.kind)
    if replace(asked, version=current.version) == current:
        return current
    added = replace(asked, version=current.version + 1)
    store.add_policy(tx, added)
    facts = {"years": str(added.years), "permanent": str(added.permanent), "legal_reference": added.legal_reference}
    name = f"policies/{added.kind}/{added.version}"
    audit.append(tx, audit.AuditRow(JOURNAL, "RETENTION_POLICY_SET", name, facts, caller()))
    return added


def readable_record(tx: Tx, record_id: str) -> Record:
    """A record that the caller may read.

    Raises Invalid RECORD_ID, NotFound RECORD_UNKNOWN, and as `standing.may_read`.
    """
    record = store.find_record(tx, domain.record_uuid(record_id))
    if record is None:
        raise NotFound("RECORD_UNKNOWN", "Không có hồ sơ lưu trữ này.", record=record_id)
    standing.may_read(tx, record.school, record.school_year)
    return record
