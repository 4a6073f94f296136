"""Use cases of print, each one transaction of its caller: queue, keep, fail, void, read."""

import uuid
from hashlib import sha256

from hoso.print.v1 import events_pb2, print_pb2

from services.common import audit, jobs, outbox, standing
from services.common.db import Tx
from services.common.errors import Invalid, NotFound, Rejected
from services.common.identity import SYSTEM
from services.common.jobs import Job
from services.print import store
from services.print.kind import Kind
from services.print.store import SignatureField, StoredRendition

RENDER_JOB = "render"
_WAITED_FOR = 10
"""Priority of a print that somebody at a school waits for; signing copies wait for keys anyway."""
KINDS = {Kind.UNSIGNED: print_pb2.RENDITION_KIND_UNSIGNED, Kind.SIGNING: print_pb2.RENDITION_KIND_SIGNING}
"""Kinds as messages and events carry them."""


def queue(tx: Tx, book: uuid.UUID, version: int, *, school: str, kind: Kind, content_sha256: bytes) -> None:
    """Queue a rendition, once for each version and kind.

    Raises ValueError when the digest is not 32 bytes.
    """
    if len(content_sha256) != 32:
        raise ValueError("a digest has 32 bytes")
    payload = {
        "book": str(book),
        "version": str(version),
        "school": school,
        "kind": kind.value,
        "content_sha256": content_sha256.hex(),
    }
    jobs.enqueue(
        tx, RENDER_JOB, f"{book}/{version}/{kind}", payload, priority=_WAITED_FOR if kind is Kind.UNSIGNED else 0
    )


def finish_if_done(tx: Tx, job: Job) -> bool:
    """Finish the job when nothing is left to render; True when it was finished.

    An earlier attempt kept the rendition, or the version has ended.
    """
    book, version, kind = subject(job)
    done = store.exists(tx, book, version, kind) or store.is_void(tx, book, version)
    if done:
        jobs.finish(tx, job)
    return done


def keep(tx: Tx, job: Job, pdf: bytes, pages: int, fields: tuple[SignatureField, ...]) -> None:
    """Store what `job` rendered, announce it and finish the job.

    Nothing is announced when the version has ended meanwhile, or when another worker came first.
    """
    book, version, kind = subject(job)
    rendition, pdf_sha256 = uuid.uuid4(), sha256(pdf).digest()
    content_sha256 = bytes.fromhex(job.payload["content_sha256"])
    new = store.insert(
        tx,
        rendition=rendition,
        book=book,
        version=version,
        school=job.payload["school"],
        kind=kind,
        content_sha256=content_sha256,
        pdf_sha256=pdf_sha256,
        pdf=pdf,
        pages=pages,
        fields=fields,
    )
    if new and not store.is_void(tx, book, version):
        outbox.add(
            tx,
            events_pb2.RenditionReady(
                rendition=str(rendition),
                kind=KINDS[kind],
                book=str(book),
                version=version,
                school=job.payload["school"],
                content_sha256=content_sha256,
                pdf_sha256=pdf_sha256,
                pdf_size_bytes=len(pdf),
            ),
        )
    jobs.finish(tx, job)
    if new:
        facts = _facts(job) | {"pdf_sha256": pdf_sha256.hex()}
        audit.append(tx, audit.AuditRow("print", "RENDERED", str(rendition), facts, SYSTEM))


def fail(tx: Tx, job: Job, error: Invalid) -> None:
    """Announce that this content cannot be printed, naming the first fault, and finish the job.

    The content is frozen, so trying again would find the same fault; the school corrects it in a
    new version.
    """
    first = error.violations[0]
    book, version, kind = subject(job)
    if not store.is_void(tx, book, version):
        outbox.add(
            tx,
            events_pb2.RenditionFailed(
                book=str(book), version=version, kind=KINDS[kind], reason=first.rule, field=first.field
            ),
        )
    jobs.finish(tx, job)
    facts = _facts(job) | {"reason": first.rule, "field": first.field}
    audit.append(tx, audit.AuditRow("print", "REFUSED", job.key, facts, SYSTEM))


def readable(tx: Tx, rendition: str) -> StoredRendition:
    """The rendition, when the caller may see it.

    Raises NotFound RENDITION_UNKNOWN, and as `standing.may_read`.
    """
    try:
        stored = store.find(tx, uuid.UUID(rendition))
    except ValueError:
        stored = None
    if stored is None:
        raise NotFound("RENDITION_UNKNOWN", "Không có bản in này.", rendition=rendition)
    standing.may_read(tx, stored.school)
    return stored


def of_book(tx: Tx, book: str) -> list[StoredRendition]:
    """The renditions of a book that the caller may see, newest first; none of what is no book id.

    Raises as `standing.may_read`.
    """
    try:
        renditions = store.list_of_book(tx, uuid.UUID(book))
    except ValueError:
        return []
    for school in {rendition.school for rendition in renditions}:
        standing.may_read(tx, school)
    return renditions


def download(tx: Tx, rendition: str) -> tuple[str, bytes]:
    """The school and the PDF of a valid rendition.

    Raises Rejected RENDITION_VOID, and as `readable`.
    """
    stored = readable(tx, rendition)
    if stored.void:
        raise Rejected(
            "RENDITION_VOID", "Bản in đã bị hủy vì sổ có phiên bản khác.", rendition=rendition, version=stored.version
        )
    return stored.school, store.pdf(tx, stored.id)


def subject(job: Job) -> tuple[uuid.UUID, int, Kind]:
    """The book, its version and the kind of rendition that a job is about."""
    return uuid.UUID(job.payload["book"]), int(job.payload["version"]), Kind(job.payload["kind"])


def _facts(job: Job) -> dict[str, str]:
    return {name: job.payload[name] for name in ("book", "version", "kind", "content_sha256")}
