"""All SQL of signing. Functions take the open transaction; nothing here decides a rule."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.common.db import Tx
from services.common.errors import Forged, NotFound, Rejected
from services.common.rows import rows
from services.signing.domain import CANCELLED, PENDING, SIGNED, VOID, Document, Required, Signatory

_SELECT_SIGNATORY = (
    "SELECT id, school, name, seal, custodian, key_uri, algorithm, custody, certificate_chain FROM signatory"
)
_SELECT_DOCUMENT = (
    "SELECT id, number, book, version, school, state, content_sha256, revision, pdf_sha256, pdf_size_bytes"
    " FROM document"
)


@dataclass(frozen=True)
class JournalEntry:
    """One line of the signing journal; `digest` and `reason` are empty where the event has none."""

    field: str
    signatory: str
    event: str
    digest: bytes
    reason: str
    time: datetime


@dataclass(frozen=True)
class PendingSignature:
    """What waits for one signatory. due: every lower rank has signed."""

    document: uuid.UUID
    book: uuid.UUID
    field: str
    due: bool


@dataclass(frozen=True)
class DueDocument:
    """A document whose next signature may be a certain signatory's. revision: its newest."""

    id: uuid.UUID
    revision: int


@dataclass(frozen=True)
class _Revision:
    """What a revision appended; digest and size of the whole revision."""

    part: bytes
    sha256: bytes
    size_bytes: int


def put_signatory(tx: Tx, signatory: Signatory) -> None:
    """Register or replace a signatory."""
    tx.execute(
        "INSERT INTO signatory (id, school, name, seal, custodian, key_uri, algorithm, custody, certificate_chain,"
        " certificate_sha256)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (id) DO UPDATE SET school = excluded.school, name = excluded.name, seal = excluded.seal,"
        " custodian = excluded.custodian, key_uri = excluded.key_uri, algorithm = excluded.algorithm,"
        " custody = excluded.custody, certificate_chain = excluded.certificate_chain,"
        " certificate_sha256 = excluded.certificate_sha256, updated_time = now()",
        (
            signatory.id,
            signatory.school,
            signatory.name,
            signatory.seal,
            signatory.custodian,
            signatory.key_uri,
            signatory.algorithm,
            signatory.custody,
            list(signatory.certificate_chain),
            hashlib.sha256(signatory.certificate_chain[0]).digest(),
        ),
    )


def signatory(tx: Tx, signatory_id: str) -> Signatory:
    """One signatory. Raises NotFound SIGNATORY_UNKNOWN."""
    registered = rows(tx, _signatory, _SELECT_SIGNATORY + " WHERE id = %s", (signatory_id,)).fetchone()
    if registered is None:
        raise NotFound("SIGNATORY_UNKNOWN", "Chưa đăng ký người ký này.", signatory=signatory_id)
    return registered


def signatories(tx: Tx, school: str, *, after: str, limit: int) -> list[Signatory]:
    """Signatories of a school by id, those after `after`."""
    statement = _SELECT_SIGNATORY + " WHERE school = %s AND id > %s ORDER BY id LIMIT %s"
    return rows(tx, _signatory, statement, (school, after, limit)).fetchall()


def add_document(tx: Tx, document: Document, required: Sequence[Required], pdf: bytes) -> bool:
    """Store a signing copy and who must sign it.

    False, and nothing changes, when the document exists already. Raises Rejected DOCUMENT_EXISTS
    when the book version has another document.
    """
    new = tx.execute(
        "INSERT INTO document (id, book, version, school, state, content_sha256, revision, pdf_sha256, pdf_size_bytes)"
        " VALUES (%s, %s, %s, %s, %s, %s, 0, %s, %s) ON CONFLICT DO NOTHING",
        (
            document.id,
            document.book,
            document.version,
            document.school,
            document.state,
            document.content_sha256,
            document.pdf_sha256,
            document.pdf_size_bytes,
        ),
    )
    if new.rowcount == 0:
        if tx.execute("SELECT 1 FROM document WHERE id = %s", (document.id,)).fetchone():
            return False
        raise Rejected(
            "DOCUMENT_EXISTS", "Phiên bản sổ này đã có bản ký.", book=document.book, version=document.version
        )
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO required_signature (document, field, position, rank, role, signatory, state)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [(document.id, r.field, r.position, r.rank, r.role, r.signatory, r.state) for r in required],
        )
    _add_revision(tx, document.id, 0, pdf, sha256=document.pdf_sha256, size=len(pdf))
    return True


def document(tx: Tx, document_id: uuid.UUID, *, lock: bool = False) -> Document:
    """One document; with `lock` nobody else changes it until the transaction ends.

    Raises NotFound DOCUMENT_UNKNOWN.
    """
    statement = _SELECT_DOCUMENT + " WHERE id = %s" + (" FOR UPDATE" if lock else "")
    stored = rows(tx, Document, statement, (document_id,)).fetchone()
    if stored is None:
        raise NotFound("DOCUMENT_UNKNOWN", "Không có tài liệu này.", document=document_id)
    return stored


def documents(tx: Tx, school: str, *, before: int | None, limit: int) -> list[Document]:
    """Documents of a school, newest first, those before the number `before`."""
    return rows(
        tx,
        Document,
        _SELECT_DOCUMENT + " WHERE school = %(school)s"
        " AND (%(before)s::bigint IS NULL OR number < %(before)s) ORDER BY number DESC LIMIT %(limit)s",
        {"school": school, "before": before, "limit": limit},
    ).fetchall()


def required(tx: Tx, document_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[Required]]:
    """Every required signature of the documents, in the order of the book."""
    signatures: dict[uuid.UUID, list[Required]] = {document_id: [] for document_id in document_ids}
    for document_id, signature in rows(
        tx,
        _required,
        "SELECT r.document, r.field, r.position, r.rank, r.role, r.signatory, r.state, r.sign_time,"
        " coalesce(r.certificate_sha256, '') AS certificate_sha256, coalesce(r.level, '') AS level,"
        " coalesce(s.name, '') AS name"
        " FROM required_signature r LEFT JOIN signatory s ON s.id = r.signatory"
        " WHERE r.document = ANY(%s) ORDER BY r.document, r.position",
        (list(document_ids),),
    ):
        signatures[document_id].append(signature)
    return signatures


def pdf(tx: Tx, document: Document) -> bytes:
    """The newest revision, put together from its parts; each revision in it has the digest and size
    with which it was stored.

    Raises Forged DOCUMENT_CHANGED when one has not: somebody changed the database.
    """
    data, so_far = bytearray(), hashlib.sha256()
    stored = rows(
        tx,
        _Revision,
        "SELECT part, sha256, size_bytes FROM revision WHERE document = %s AND number <= %s ORDER BY number",
        (document.id, document.revision),
    ).fetchall()
    newest = _Revision(b"", document.pdf_sha256, document.pdf_size_bytes)
    for revision in (*stored, newest):
        data += revision.part
        so_far.update(revision.part)
        if (so_far.digest(), len(data)) != (revision.sha256, revision.size_bytes):
            raise Forged("DOCUMENT_CHANGED", "Tài liệu lưu trong cơ sở dữ liệu đã bị sửa.", document=document.id)
    return bytes(data)


def add_signature(
    tx: Tx, document: Document, field: Required, *, state: str, whole: bytes, certificate_sha256: bytes
) -> bytes:
    """Append the signed revision `whole` to `document` (as read under lock) and return its SHA-256.

    field: with sign_time and level of the signature.
    """
    number, digest = document.revision + 1, hashlib.sha256(whole).digest()
    _add_revision(tx, document.id, number, whole[document.pdf_size_bytes :], sha256=digest, size=len(whole))
    tx.execute(
        "UPDATE document SET state = %s, revision = %s, pdf_sha256 = %s, pdf_size_bytes = %s WHERE id = %s",
        (state, number, digest, len(whole), document.id),
    )
    tx.execute(
        "UPDATE required_signature SET state = %s, sign_time = %s, certificate_sha256 = %s, level = %s,"
        " revision = %s WHERE document = %s AND field = %s",
        (SIGNED, field.sign_time, certificate_sha256, field.level, number, document.id, field.field),
    )
    return digest


def record_intent(tx: Tx, document_id: uuid.UUID, field: Required) -> None:
    """Record the intent to sign this field, with its journal line, when there is none yet."""
    new = tx.execute(
        "INSERT INTO intent (document, field, signatory) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (document_id, field.field, field.signatory),
    )
    if new.rowcount == 1:
        write_journal(tx, document_id, field, "INTENDED")


def write_journal(
    tx: Tx, document_id: uuid.UUID, field: Required, event: str, *, digest: bytes | None = None, reason: str = ""
) -> None:
    """Append one line to the signing journal."""
    tx.execute(
        "INSERT INTO journal (document, field, signatory, event, digest, reason) VALUES (%s, %s, %s, %s, %s, %s)",
        (document_id, field.field, field.signatory, event, digest, reason),
    )


def journal(tx: Tx, document_id: uuid.UUID) -> list[JournalEntry]:
    """The journal of a document, oldest first."""
    return rows(
        tx,
        JournalEntry,
        "SELECT field, signatory, event, coalesce(digest, '') AS digest, reason, time FROM journal"
        " WHERE document = %s ORDER BY id",
        (document_id,),
    ).fetchall()


def pending(tx: Tx, signatory_id: str, limit: int) -> list[PendingSignature]:
    """What waits for a signatory, oldest first."""
    return rows(
        tx,
        PendingSignature,
        "SELECT r.document, d.book, r.field, NOT EXISTS (SELECT 1 FROM required_signature o"
        " WHERE o.document = r.document AND o.state = 'PENDING' AND o.rank < r.rank) AS due"
        " FROM required_signature r JOIN document d ON d.id = r.document"
        " WHERE r.signatory = %s AND r.state = 'PENDING' ORDER BY d.number LIMIT %s",
        (signatory_id, limit),
    ).fetchall()


def due_documents(tx: Tx, signatory_id: str) -> list[DueDocument]:
    """The documents in which it is this signatory's turn. Reads the documents that wait for this
    signatory and no others.
    """
    # Questions about each row, not joins: a join may be carried out by reading the whole of the
    # other table, which holds the documents of the city.
    return rows(
        tx,
        DueDocument,
        "SELECT DISTINCT r.document AS id, (SELECT d.revision FROM document d WHERE d.id = r.document) AS revision"
        " FROM required_signature r WHERE r.signatory = %s AND r.state = 'PENDING' AND r.rank = ("
        "SELECT min(o.rank) FROM required_signature o WHERE o.document = r.document AND o.state = 'PENDING')",
        (signatory_id,),
    ).fetchall()


def lock_book(tx: Tx, book: uuid.UUID) -> None:
    """Let the arrival of a book's signing copy and the end of its version wait for each other."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('book ' || %s, 0))", (str(book),))


def void_book(tx: Tx, book: uuid.UUID, version: int) -> None:
    """End a version of a book.

    Its document is void, pending signatures are cancelled, and a copy that comes later is void.
    """
    lock_book(tx, book)
    tx.execute("INSERT INTO voided_book VALUES (%s, %s) ON CONFLICT DO NOTHING", (book, version))
    statement = _SELECT_DOCUMENT + " WHERE book = %s AND version = %s FOR UPDATE"
    ended = rows(tx, Document, statement, (book, version)).fetchone()
    if ended is None or ended.state == VOID:
        return
    tx.execute(
        "INSERT INTO journal (document, field, signatory, event, reason)"
        " SELECT document, field, signatory, 'CANCELLED', 'BOOK_VOIDED' FROM required_signature"
        " WHERE document = %s AND state = %s ORDER BY position",
        (ended.id, PENDING),
    )
    tx.execute(
        "UPDATE required_signature SET state = %s WHERE document = %s AND state = %s", (CANCELLED, ended.id, PENDING)
    )
    tx.execute("UPDATE document SET state = %s WHERE id = %s", (VOID, ended.id))


def is_void(tx: Tx, book: uuid.UUID, version: int) -> bool:
    """Whether this version of the book has ended."""
    ended = tx.execute("SELECT 1 FROM voided_book WHERE book = %s AND version = %s", (book, version))
    return ended.fetchone() is not None


def _add_revision(tx: Tx, document_id: uuid.UUID, number: int, part: bytes, *, sha256: bytes, size: int) -> None:
    tx.execute(
        "INSERT INTO revision (document, number, part, sha256, size_bytes) VALUES (%s, %s, %s, %s, %s)",
        (document_id, number, part, sha256, size),
    )


def _required(*, document: uuid.UUID, **columns: Any) -> tuple[uuid.UUID, Required]:
    return document, Required(**columns)


def _signatory(*, certificate_chain: Sequence[bytes], **columns: Any) -> Signatory:
    return Signatory(certificate_chain=tuple(bytes(der) for der in certificate_chain), **columns)
