"""Records, retention policies and the rules about them. No I/O, clock, SQL or proto."""

import enum
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import rfc8785

from services.common.errors import Invalid, Violation
from services.common.vietnam import VIETNAM

LOCK_SNAPSHOT_JOB = "lock-snapshot"
LOCK_BOOK_JOB = "lock-book"
JOURNAL = "archive"
"""The audit chain of archive's acts."""
RECORD_ARCHIVED = "RECORD_ARCHIVED"
"""The act by which the journal names a registered record."""
CHAIN_START = bytes(32)
_MAX_REFERENCE = 300


class Kind(enum.StrEnum):
    """What is kept, as the tables, `RecordKind` of the proto and gradebook's `RecordType` name it.

    The only list of kinds: a new one is added here, to the proto, and to `retention_bounds` by a
    migration.
    """

    CLASS_BOOK = "CLASS_BOOK"
    TEACHER_BOOK = "TEACHER_BOOK"
    TRANSCRIPT = "TRANSCRIPT"
    STUDENT_REGISTER = "STUDENT_REGISTER"
    SNAPSHOT = "SNAPSHOT"
    AUDIT_ANCHOR = "AUDIT_ANCHOR"


@dataclass(frozen=True)
class Policy:
    """How long a kind of record is kept.

    years: bounded term. permanent: the record must be kept for ever, so its term has to be extended
    before it ends; no job does that (ADR-0023).
    """

    kind: str
    version: int
    years: int
    permanent: bool
    legal_reference: str


@dataclass(frozen=True)
class Bounds:
    """The terms in years that may be set for a kind."""

    min_years: int
    max_years: int


@dataclass(frozen=True)
class Record:
    """A line of the register: which locked object is which record.

    source: book id or snapshot id. version: of the book; 0 for a snapshot. content_sha256: of the
    frozen content; object_sha256: of the object's bytes. retain_until, archive_time: aware UTC.
    """

    id: UUID
    kind: str
    school: str
    school_year: str
    source: str
    version: int
    content_sha256: bytes
    object_sha256: bytes
    size_bytes: int
    bucket: str
    key: str
    version_id: str
    retain_until: datetime
    archive_time: datetime
    policy_version: int


@dataclass(frozen=True)
class Version:
    """An entry of a key's history. A marker hides the key from readers who name no version; it
    destroys nothing. put_time: when the store took it, aware; None when it does not say.
    """

    version_id: str
    is_marker: bool
    is_latest: bool
    size_bytes: int
    put_time: datetime | None = None


@dataclass(frozen=True)
class Anchor:
    """A locked statement of a service's audit heads. number: from 1; sha256: of its bytes, as the
    key says.
    """

    service: str
    number: int
    sha256: bytes
    key: str
    version_id: str


@dataclass(frozen=True)
class Link:
    """A record's place in the register's chain."""

    sequence: int
    previous_hash: bytes
    hash: bytes


def retain_until(policy: Policy, archive_time: datetime) -> datetime:
    """The first moment after the term: whole civil years in Vietnam after the year of archiving.

    Terms are counted in years (Luật Lưu trữ 33/2024/QH15), so a job repeated after a crash asks for
    the same date.
    """
    year = archive_time.astimezone(VIETNAM).year
    return datetime(year + policy.years + 1, 1, 1, tzinfo=VIETNAM).astimezone(UTC)


def row_hash(record: Record, sequence: int, previous_hash: bytes) -> bytes:
    """The hash of a register row: SHA-256 over its canonical form (RFC 8785), which holds the row
    before it.
    """
    fields: dict[str, str | int] = {
        "sequence": sequence,
        "previous_hash": previous_hash.hex(),
        "id": str(record.id),
        "kind": record.kind,
        "school": record.school,
        "school_year": record.school_year,
        "source": record.source,
        "version": record.version,
        "content_sha256": record.content_sha256.hex(),
        "object_sha256": record.object_sha256.hex(),
        "size_bytes": record.size_bytes,
        "bucket": record.bucket,
        "key": record.key,
        "version_id": record.version_id,
        "retain_until": _canonical(record.retain_until),
        "archive_time": _canonical(record.archive_time),
        "policy_version": record.policy_version,
    }
    return hashlib.sha256(rfc8785.dumps(fields)).digest()


def chain_problem(record: Record, link: Link, before: bytes | None, after: bytes | None) -> str:
    """What is wrong with a record's place in the chain, or an empty text.

    before: hash of the row before it (CHAIN_START for the first); after: the previous_hash that the
    next row, or the chain's head, holds. None where that row is missing.
    """
    if row_hash(record, link.sequence, link.previous_hash) != link.hash:
        return "the row was changed"
    if before != link.previous_hash:
        return "the row before it was changed or is missing"
    if after != link.hash:
        return "the row after it does not follow"
    return ""


def check_policy(policy: Policy, bounds: Bounds) -> None:
    """Raises Invalid: RETENTION_YEARS outside of the bounds, LEGAL_REFERENCE missing or too
    long.
    """
    violations = []
    if not bounds.min_years <= policy.years <= bounds.max_years:
        message = f"Thời hạn lưu trữ phải từ {bounds.min_years} đến {bounds.max_years} năm."
        violations.append(Violation("policy.years", "RETENTION_YEARS", message))
    if not 0 < len(policy.legal_reference.strip()) <= _MAX_REFERENCE:
        message = f"Phải ghi căn cứ pháp lý, không quá {_MAX_REFERENCE} ký tự."
        violations.append(Violation("policy.legal_reference", "LEGAL_REFERENCE", message))
    if violations:
        raise Invalid(violations)


def _canonical(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def record_uuid(text: str) -> UUID:
    """A record id as callers write it. Raises Invalid RECORD_ID."""
    try:
        return UUID(text)
    except ValueError as e:
        raise Invalid([Violation("record", "RECORD_ID", "Mã hồ sơ lưu trữ phải là UUID.")]) from e
