"""The job `sign`: one signature of one document, in five steps, each committed before the next.

1. intent   gradebook is asked: the book is being signed, and the document begins with the bytes
            that print made for it (ADR-0062, ADR-0069); the decision to use this key for this field
            is committed (journal INTENDED, once)
2. attempt  the digest is computed from the stored document and committed (journal ATTEMPTED) …
3. sign     … and only then shown to the token
4. verify   our own output, before it leaves memory
5. store    revision, journal STORED, audit, event, end of this job and start of the next, in one
            transaction, fenced by this job's lease and by the document's revision number

A crash after 3 loses a signature value that nobody has seen: the next attempt of the same intent
makes another, and the journal shows both uses of the key (ADR-0012).

A job that finds no open key among those whose turn it is ends: the signature waits as a row of
`required_signature`, and opening the key asks for the job again (ADR-0049).
"""

import datetime as dt
import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from hoso.gradebook.v1.books_pb2 import BookFacts
from hoso.gradebook.v1.books_pb2_grpc import BookServiceStub
from hoso.signing.v1 import events_pb2

from services.common import audit, book_facts, identity, jobs, outbox
from services.common.db import Database, Tx
from services.common.errors import Forged, HosoError, Rejected, Waiting
from services.common.jobs import Job
from services.signing import certificates, domain, store, usecases
from services.signing.domain import Document, Required, Signatory
from services.signing.pades import OwnOutputError, PersonalMark, SealMark, Signed, SignerProfile, sign_field
from services.signing.token_client import TokenClient

_KEY_NOT_ACTIVE = "KEY_NOT_ACTIVE"  # the token supervisor's refusal


@dataclass(frozen=True)
class _Task:
    """One signature to make: `document` at its newest revision, its bytes, who signs which field.

    last: no signature may follow.
    """

    document: Document
    pdf: bytes
    field: Required
    signatory: Signatory
    last: bool


def handler(database: Database, tokens: TokenClient, gradebook: BookServiceStub) -> Callable[[Job], None]:
    """The handler of `sign` jobs for `worker.run`."""

    def handle(job: Job) -> None:
        document_id = uuid.UUID(job.payload["document"])
        chosen = _choose(database, tokens, job, document_id)
        if chosen is None:
            return
        facts = _facts(database, gradebook, document_id)
        task = _intend(database, job, document_id, chosen, facts)
        if task is None:
            return
        try:
            signed = _sign(database, tokens, task)
        except (HosoError, OwnOutputError) as e:
            reason = e.reason if isinstance(e, HosoError) else "OWN_OUTPUT_INVALID"
            with database.transaction() as tx:
                store.write_journal(tx, document_id, task.field, "FAILED", reason=reason)
            if reason == _KEY_NOT_ACTIVE:
                raise _look_again() from e
            raise
        with database.transaction() as tx:
            _store(tx, job, task, signed)

    return handle


def _choose(database: Database, tokens: TokenClient, job: Job, document_id: uuid.UUID) -> Required | None:
    """A due signature whose key is open; None, and the job is finished, when there is none.

    Raises Unavailable when the token of an open key is away: before anything is recorded, so that
    an HSM that is away for hours does not fill the journal with attempts. Raises Waiting when the
    chosen activation ends meanwhile.
    """
    with database.transaction() as tx:
        turn = _turn(tx, job, document_id)
        if not turn:
            jobs.finish(tx, job)
            return None
    ready = {key.signatory: key.ready for key in tokens.status()}
    # A signatory without a name is not registered here.
    active = [signature for signature in turn if signature.signatory in ready and signature.name]
    if not active:
        with database.transaction() as tx:
            jobs.finish_for_now(tx, job)
        return None
    chosen = next((signature for signature in active if ready[signature.signatory]), active[0])
    if not ready[chosen.signatory]:
        try:
            tokens.ensure(chosen.signatory)
        except Rejected as e:
            raise _look_again() from e
    return chosen


def _look_again() -> Waiting:
    """The chosen activation has ended, which says nothing of other keys of the same rank."""
    return Waiting(_KEY_NOT_ACTIVE, "the activation ended before this signature")


def _turn(tx: Tx, job: Job, document_id: uuid.UUID) -> list[Required]:
    """The signatures whose turn it is; empty when this job was overtaken."""
    document = store.document(tx, document_id, lock=True)
    if document.revision != int(job.payload["revision"]) or document.state == domain.VOID:
        return []
    return domain.due(store.required(tx, [document_id])[document_id])


def _facts(database: Database, gradebook: BookServiceStub, document_id: uuid.UUID) -> BookFacts:
    """What gradebook knows of the document's book, which is being signed.

    Raises Waiting BOOK_ENDED, as the end of the version will be heard of in a moment; Waiting
    SIGNING_COPY_UNKNOWN until gradebook, too, has heard from print; Forged BOOK_STATE, NotFound,
    Unavailable.
    """
    with database.transaction() as tx:
        book = store.document(tx, document_id).book
    facts = book_facts.ask(gradebook, book)
    if facts.state in book_facts.ENDED:
        raise Waiting("BOOK_ENDED", "gradebook has ended this version of the book")
    book_facts.require(facts, book_facts.BEING_SIGNED)
    if not facts.signing_rendition:
        raise Waiting("SIGNING_COPY_UNKNOWN", "gradebook has not heard of the signing copy yet")
    return facts


def _compare(facts: BookFacts, document: Document, pdf: bytes) -> None:
    """Nothing but the book's own pages is signed. Raises Forged BOOK_DIFFERS,
    PRINTED_BYTES_DIFFER.
    """
    book_facts.compare(
        facts,
        book=str(document.book),
        version=document.version,
        school=document.school,
        content_sha256=document.content_sha256,
        signing_rendition=str(document.id),
    )
    if not domain.begins_with(pdf, facts.signing_pdf_sha256, facts.signing_pdf_size_bytes):
        message = "Tài liệu không bắt đầu bằng bản để ký số mà dịch vụ in đã tạo."
        raise Forged("PRINTED_BYTES_DIFFER", message, document=document.id, book=document.book)


def _intend(database: Database, job: Job, document_id: uuid.UUID, chosen: Required, facts: BookFacts) -> _Task | None:
    """Commit the intent and read what is to be signed.

    None when the choice was overtaken; the job is then finished, or due again when it was asked for
    meanwhile. Raises as `_compare`, and Forged DOCUMENT_CHANGED.
    """
    with database.transaction() as tx:
        if chosen not in _turn(tx, job, document_id):
            jobs.finish_for_now(tx, job)
            return None
        document = store.document(tx, document_id)
        pdf = store.pdf(tx, document)
        _compare(facts, document, pdf)
        signatory = store.signatory(tx, chosen.signatory)
        if signatory.school != document.school:
            raise Rejected("WRONG_SCHOOL", "Người ký thuộc trường khác.", signatory=signatory.id)
        domain.check_validity(*certificates.validity(signatory.certificate_chain[0]), dt.datetime.now(dt.UTC))
        store.record_intent(tx, document_id, chosen)
        last = not domain.left_after(store.required(tx, [document_id])[document_id], chosen)
        return _Task(document, pdf, chosen, signatory, last=last)


def _sign(database: Database, tokens: TokenClient, task: _Task) -> Signed:
    def attempt(covered: bytes, digest: bytes) -> bytes:
        with database.transaction() as tx:
            store.write_journal(tx, task.document.id, task.field, "ATTEMPTED", digest=covered)
        return tokens.sign(task.signatory.id, f"{task.document.id}/{task.field.field}", digest)

    signatory = task.signatory
    return sign_field(
        task.pdf,
        task.field.field,
        SignerProfile(signatory.certificate_chain, signatory.algorithm, attempt),
        mark=SealMark(signatory.name) if signatory.seal else PersonalMark(signatory.name),
        reason=domain.reason_text(task.field),
        at=dt.datetime.now(dt.UTC),
        first=task.document.revision == 0,
        last=task.last,
    )


def _store(tx: Tx, job: Job, task: _Task, signed: Signed) -> None:
    """Step 5. Under the row lock, only the revision that was signed can get the signature."""
    document = store.document(tx, task.document.id, lock=True)
    if document.state == domain.VOID:
        # The version ended while the token signed: the value is not stored.
        store.write_journal(tx, document.id, task.field, "FAILED", reason="BOOK_VOIDED")
        jobs.finish(tx, job)
        return
    jobs.finish(tx, job)
    if document.revision != task.document.revision:
        raise RuntimeError(f"document {document.id} moved to revision {document.revision} under a live lease")
    required = store.required(tx, [document.id])[document.id]
    state = domain.state_after(required, task.field)
    certificate_sha256 = hashlib.sha256(task.signatory.certificate_chain[0]).digest()
    made = replace(task.field, sign_time=signed.time, level=domain.LEVEL)
    digest = store.add_signature(
        tx, document, made, state=state, whole=signed.pdf, certificate_sha256=certificate_sha256
    )
    store.write_journal(tx, document.id, task.field, "STORED", digest=signed.digest)
    if domain.left_after(required, task.field):
        usecases.queue_next(tx, document.id, document.revision + 1)
    _announce(tx, document, state, digest)
    facts = {"field": task.field.field, "signatory": task.signatory.id, "sha256": digest.hex()}
    chain, name = f"documents/{document.school}", f"documents/{document.id}"
    audit.append(tx, audit.AuditRow(chain, "SIGNED", name, facts, identity.SYSTEM))


def _announce(tx: Tx, before: Document, state: str, digest: bytes) -> None:
    kinds = {domain.SIGNED: events_pb2.DocumentSigned, domain.SEALED: events_pb2.DocumentSealed}
    if state == before.state or state not in kinds:
        return
    event = kinds[state](
        document=str(before.id),
        book=str(before.book),
        version=before.version,
        content_sha256=before.content_sha256,
        document_sha256=digest,
    )
    outbox.add(tx, event)
