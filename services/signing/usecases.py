"""What callers and events ask of signing: registering signatories, unlocking keys, taking documents
in, reading.
"""

import datetime as dt
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from services.common import audit, jobs, standing
from services.common.db import Database, Tx
from services.common.errors import Forbidden, Invalid, Rejected, Unavailable, Violation
from services.common.identity import caller, is_operator
from services.signing import certificate_path, certificates, domain, key_uri, store
from services.signing.domain import Document, Required, Signatory
from services.signing.pades import verify_raw
from services.signing.token_client import TokenClient

MAX_PENDING = 1_000
_MAX_SIGNATURES, _MAX_DURATION_S = 10_000, 43_200
# A person can act on these; every other refusal of a token needs the operator.
_FOR_THE_PERSON = {"PIN_INCORRECT", "PIN_LOCKED", "PIN_EXPIRED", "TOKEN_IN_USE"}


@dataclass(frozen=True)
class Pending:
    """What waits for a signatory, whether the key is active, and its signatures left."""

    pending: list[store.PendingSignature]
    key_active: bool
    signatures_left: int


def put_signatory(database: Database, signatory: Signatory, roots: Sequence[x509.Certificate]) -> None:
    """Register or update a signatory from the key ceremony's record, whose certificate must lead to
    one of the roots.

    Documents in which it is this signatory's turn are looked at once more. Raises Invalid.
    """
    violations = [
        Violation(f"signatory.{name}", "REQUIRED", "Không được để trống.")
        for name in ("id", "school", "name")
        if not getattr(signatory, name)
    ]
    if signatory.seal != bool(signatory.custodian):
        violations.append(
            Violation("signatory.custodian", "CUSTODIAN", "Dấu của trường, và chỉ dấu, phải có người giữ (văn thư).")
        )
    if signatory.seal != (signatory.id == signatory.school):
        violations.append(Violation("signatory.id", "SEAL_ID", "Mã của dấu phải là mã trường."))
    if signatory.custody == "":
        violations.append(Violation("signatory.custody", "REQUIRED", "Phải nêu nơi giữ khóa."))
    unfit = certificates.problems(signatory)
    violations += unfit or certificate_path.problems(signatory.certificate_chain, roots, dt.datetime.now(dt.UTC))
    try:
        key_uri.parse(signatory.key_uri, "signatory.key_uri")
    except Invalid as e:
        violations += e.violations
    if violations:
        raise Invalid(violations)
    with database.transaction() as tx:
        store.put_signatory(tx, signatory)
        queue_due(tx, signatory.id)
        facts = {"key_uri": signatory.key_uri, "algorithm": signatory.algorithm, "custodian": signatory.custodian}
        _audit(tx, signatory, "SIGNATORY_PUT", facts)


def activate_key(
    database: Database, tokens: TokenClient, signatory_id: str, pin: str, *, max_signatures: int, duration_s: int
) -> dt.datetime:
    """Unlock a key for its keeper, within bounds; returns when the activation ends.

    The documents in which it is this signatory's turn are queued with the record of the activation.
    A key that does not belong to the registered certificate is locked again at once.
    Raises Invalid; Forbidden NOT_THE_SIGNATORY; Rejected PIN_INCORRECT, PIN_LOCKED, PIN_EXPIRED,
    TOKEN_IN_USE, CERTIFICATE_NOT_IN_FORCE, KEY_UNUSABLE; Unavailable TOKEN_AWAY.
    """
    _check_activation(pin, max_signatures, duration_s)
    with database.transaction() as tx:
        signatory = store.signatory(tx, signatory_id)
        _only_keeper(tx, signatory)
    own = signatory.certificate_chain[0]
    domain.check_validity(*certificates.validity(own), dt.datetime.now(dt.UTC))
    until = time.time() + duration_s
    facts = {"max_signatures": str(max_signatures), "duration_s": str(duration_s)}
    try:
        digest, signature = tokens.activate(
            signatory.id, signatory.key_uri, signatory.algorithm, pin, max_signatures=max_signatures, until=until
        )
    except Rejected as e:
        _record(database, signatory, "KEY_ACTIVATION_REFUSED", facts | {"reason": e.reason})
        if e.reason in _FOR_THE_PERSON:
            raise
        raise Rejected("KEY_UNUSABLE", "Không dùng được khóa ký trên thiết bị.", cause=e.reason) from e
    if not verify_raw(own, signatory.algorithm, digest, signature):
        tokens.deactivate(signatory.id)
        _record(database, signatory, "KEY_ACTIVATION_REFUSED", facts | {"reason": "NOT_THE_CERTIFICATE_KEY"})
        raise Rejected(
            "KEY_UNUSABLE", "Khóa trên thiết bị không phải khóa của chứng thư.", cause="NOT_THE_CERTIFICATE_KEY"
        )
    try:
        with database.transaction() as tx:
            # After the key has opened, not before: a document that is taken in meanwhile is found
            # here, or its own first look finds the key open.
            queue_due(tx, signatory.id)
            _audit(tx, signatory, "KEY_ACTIVATED", facts)
    except Unavailable:
        # An activation without a record must not stay usable.
        tokens.deactivate(signatory.id)
        raise
    return dt.datetime.fromtimestamp(until, dt.UTC)


def deactivate_key(database: Database, tokens: TokenClient, signatory_id: str) -> None:
    """Lock a key now; for its keeper and the operator. Raises Forbidden NOT_THE_SIGNATORY."""
    with database.transaction() as tx:
        signatory = store.signatory(tx, signatory_id)
        if not is_operator(caller().client):
            _only_keeper(tx, signatory)
    tokens.deactivate(signatory.id)
    _record(database, signatory, "KEY_DEACTIVATED", {})


def list_pending(database: Database, tokens: TokenClient, signatory_id: str) -> Pending:
    """What waits for a signatory: for its keeper and the operator. Raises Forbidden
    NOT_THE_SIGNATORY.
    """
    with database.transaction() as tx:
        signatory = store.signatory(tx, signatory_id)
        if not is_operator(caller().client):
            _only_keeper(tx, signatory)
        pending = store.pending(tx, signatory_id, MAX_PENDING)
    active = next((key for key in tokens.status() if key.signatory == signatory_id), None)
    return Pending(pending, active is not None, (active.remaining or 0) if active else 0)


def take_in(tx: Tx, document: Document, required: list[Required], pdf: bytes) -> None:
    """Store print's signing copy and queue a first look at who may sign it.

    It is void at once when its version has ended meanwhile.
    """
    store.lock_book(tx, document.book)
    if store.add_document(tx, document, required, pdf):
        queue_next(tx, document.id, 0)
    if store.is_void(tx, document.book, document.version):
        store.void_book(tx, document.book, document.version)


def queue_next(tx: Tx, document_id: uuid.UUID, revision: int) -> None:
    """Queue the signature that follows `revision`, a revision stored in this transaction.

    The job looks once whether a key of those whose turn it is is open. If none is, the document
    waits as a row, without a job, until `queue_due` asks for it again.
    """
    key, payload = _job_of(document_id, revision)
    jobs.enqueue(tx, domain.SIGN_JOB, key, payload)


def queue_due(tx: Tx, signatory_id: str) -> None:
    """Queue every document in which it is this signatory's turn."""
    due = store.due_documents(tx, signatory_id)
    jobs.request(tx, domain.SIGN_JOB, dict(_job_of(document.id, document.revision) for document in due))


def _job_of(document_id: uuid.UUID, revision: int) -> tuple[str, dict[str, str]]:
    """Key and payload of the job that makes the signature after `revision`; a document has one."""
    return f"{document_id}/{revision}", {"document": str(document_id), "revision": str(revision)}


def _check_activation(pin: str, max_signatures: int, duration_s: int) -> None:
    violations = []
    if not pin:
        violations.append(Violation("pin", "REQUIRED", "Phải nhập mã PIN."))
    if not 1 <= max_signatures <= _MAX_SIGNATURES:
        violations.append(Violation("max_signatures", "OUT_OF_RANGE", f"Số chữ ký phải từ 1 đến {_MAX_SIGNATURES}."))
    if not 1 <= duration_s <= _MAX_DURATION_S:
        violations.append(Violation("duration_seconds", "OUT_OF_RANGE", "Thời hạn phải từ 1 giây đến 12 giờ."))
    if violations:
        raise Invalid(violations)


def _only_keeper(tx: Tx, signatory: Signatory) -> None:
    """Sole control (Law on Electronic Transactions 2023, Article 22): nobody else unlocks this key.

    Raises Forbidden NOT_THE_SIGNATORY, and as `standing.person`.
    """
    if standing.person(tx, signatory.school) != signatory.keeper:
        raise Forbidden(
            "NOT_THE_SIGNATORY", "Chỉ chính người ký (hoặc văn thư giữ dấu) được làm việc này.", signatory=signatory.id
        )


def _record(database: Database, signatory: Signatory, action: str, facts: dict[str, str]) -> None:
    with database.transaction() as tx:
        _audit(tx, signatory, action, facts)


def _audit(tx: Tx, signatory: Signatory, action: str, facts: dict[str, str]) -> None:
    audit.append(tx, audit.AuditRow(f"keys/{signatory.school}", action, f"signatories/{signatory.id}", facts, caller()))
