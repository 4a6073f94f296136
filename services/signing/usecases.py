"""What callers and events ask of signing: registering signatories, unlocking keys, taking documents in, reading."""

import datetime as dt
import time
import uuid
from dataclasses import dataclass

from services.common import audit, identity, jobs
from services.common.db import Database, Tx
from services.common.errors import Forbidden, Invalid, Rejected, Unavailable, Violation
from services.common.identity import caller
from services.signing import certificates, domain, key_uri, store
from services.signing.domain import Document, Required, Signatory
from services.signing.pades import verify_raw
from services.signing.token_client import TokenClient

MAX_PENDING = 1_000
_MAX_SIGNATURES, _MAX_DURATION_S = 10_000, 43_200
# What a person can act on is told as it is; every other refusal of a token is one for the operator.
_TOLD = {"PIN_INCORRECT", "PIN_LOCKED", "PIN_EXPIRED", "TOKEN_IN_USE"}


@dataclass(frozen=True)
class Pending:
    """What waits for a signatory, and whether the key is active with how many signatures left."""

    pending: list[store.PendingSignature]
    key_active: bool
    signatures_left: int


def put_signatory(database: Database, signatory: Signatory) -> None:
    """Register or update a signatory from the key ceremony's record. Raises Invalid."""
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
    violations += certificates.problems(signatory)
    try:
        key_uri.parse(signatory.key_uri, "signatory.key_uri")
    except Invalid as e:
        violations += e.violations
    if violations:
        raise Invalid(violations)
    with database.transaction() as tx:
        store.put_signatory(tx, signatory)
        jobs.wake(tx, domain.SIGN_JOB)
        facts = {"key_uri": signatory.key_uri, "algorithm": signatory.algorithm, "custodian": signatory.custodian}
        audit.append(tx, _chain(signatory.school), "SIGNATORY_PUT", f"signatories/{signatory.id}", facts, caller())


def activate_key(
    database: Database, tokens: TokenClient, signatory_id: str, pin: str, *, max_signatures: int, duration_s: int
) -> dt.datetime:
    """Unlock a key for its keeper, within bounds; returns when the activation ends.

    Raises Invalid; Forbidden NOT_THE_SIGNATORY; Rejected PIN_INCORRECT, PIN_LOCKED, PIN_EXPIRED, TOKEN_IN_USE,
    CERTIFICATE_NOT_IN_FORCE, KEY_UNUSABLE; Unavailable TOKEN_AWAY. A key that is not that of the registered
    certificate is locked again at once.
    """
    _check_activation(pin, max_signatures, duration_s)
    with database.transaction() as tx:
        signatory = store.signatory(tx, signatory_id)
    _only_keeper(signatory)
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
        if e.reason in _TOLD:
            raise
        raise Rejected("KEY_UNUSABLE", "Không dùng được khóa ký trên thiết bị.", cause=e.reason) from e
    if not verify_raw(own, signatory.algorithm, digest, signature):
        tokens.deactivate(signatory.id)
        _record(database, signatory, "KEY_ACTIVATION_REFUSED", facts | {"reason": "NOT_THE_CERTIFICATE_KEY"})
        raise Rejected(
            "KEY_UNUSABLE", "Khóa trên thiết bị không phải khóa của chứng thư.", cause="NOT_THE_CERTIFICATE_KEY"
        )
    try:
        _record(database, signatory, "KEY_ACTIVATED", facts)
    except Unavailable:
        # What is not on record must not stay usable.
        tokens.deactivate(signatory.id)
        raise
    return dt.datetime.fromtimestamp(until, dt.UTC)


def deactivate_key(database: Database, tokens: TokenClient, signatory_id: str) -> None:
    """Lock a key now: its keeper, or the Department's operator. Raises Forbidden NOT_THE_SIGNATORY."""
    with database.transaction() as tx:
        signatory = store.signatory(tx, signatory_id)
    if not caller().client.startswith("operator/"):
        _only_keeper(signatory)
    tokens.deactivate(signatory.id)
    _record(database, signatory, "KEY_DEACTIVATED", {})


def list_pending(database: Database, tokens: TokenClient, signatory_id: str) -> Pending:
    """What waits for a signatory: for its keeper and the operator. Raises Forbidden NOT_THE_SIGNATORY."""
    with database.transaction() as tx:
        signatory = store.signatory(tx, signatory_id)
        if not caller().client.startswith("operator/"):
            _only_keeper(signatory)
        found = store.pending(tx, signatory_id, MAX_PENDING)
    key = next((one for one in tokens.status() if one.signatory == signatory_id), None)
    return Pending(found, key is not None, (key.remaining or 0) if key else 0)


def take_in(tx: Tx, document: Document, required: list[Required], pdf: bytes) -> None:
    """Store print's signing copy and queue its first signature; void at once when its version has ended meanwhile."""
    store.lock_book(tx, document.book)
    if store.add_document(tx, document, required, pdf):
        queue_next(tx, document.id, 0)
    if store.is_void(tx, document.book, document.version):
        store.void_book(tx, document.book, document.version)


def queue_next(tx: Tx, document_id: uuid.UUID, revision: int) -> None:
    """Queue the signature that follows `revision`; there is never more than one such job for a document."""
    payload = {"document": str(document_id), "revision": str(revision)}
    jobs.enqueue(tx, domain.SIGN_JOB, f"{document_id}/{revision}", payload)


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


def _only_keeper(signatory: Signatory) -> None:
    """Sole control (Law on Electronic Transactions 2023, Article 22): nobody else unlocks this key."""
    if identity.person(signatory.school) != signatory.keeper:
        raise Forbidden(
            "NOT_THE_SIGNATORY", "Chỉ chính người ký (hoặc văn thư giữ dấu) được làm việc này.", signatory=signatory.id
        )


def _record(database: Database, signatory: Signatory, action: str, facts: dict[str, str]) -> None:
    with database.transaction() as tx:
        jobs.wake(tx, domain.SIGN_JOB)
        audit.append(tx, _chain(signatory.school), action, f"signatories/{signatory.id}", facts, caller())


def _chain(school: str) -> str:
    return f"keys/{school}"
