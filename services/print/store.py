"""All SQL of print: renditions and voided versions."""

import dataclasses
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from services.common.db import Tx
from services.common.rows import one_row, rows, scalars
from services.print.kind import Kind

_SELECT = (
    "SELECT r.id, r.book, r.version, r.school, r.kind, r.content_sha256, r.pdf_sha256,"
    " length(r.pdf) AS pdf_size_bytes, r.pages, r.fields, r.created_time,"
    " EXISTS (SELECT FROM voided_version v WHERE v.book = r.book AND v.version = r.version) AS void"
    " FROM rendition r"
)
_BY_ID = _SELECT + " WHERE r.id = %s"
_BY_BOOK = _SELECT + " WHERE r.book = %s ORDER BY r.created_time DESC, r.version DESC, r.kind"


@dataclass(frozen=True)
class SignatureField:
    """A signature field of a signing copy. name: in the PDF; order: of signing, from 1; signatory:
    who signs.
    """

    name: str
    order: int
    rank: int
    role: str
    signatory: str


@dataclass(frozen=True)
class StoredRendition:
    """A rendition without its bytes. void: the book's version has ended."""

    id: uuid.UUID
    book: uuid.UUID
    version: int
    school: str
    kind: Kind
    content_sha256: bytes
    pdf_sha256: bytes
    pdf_size_bytes: int
    pages: int
    fields: tuple[SignatureField, ...]
    created_time: datetime
    void: bool


def insert(
    tx: Tx,
    *,
    rendition: uuid.UUID,
    book: uuid.UUID,
    version: int,
    school: str,
    kind: Kind,
    content_sha256: bytes,
    pdf_sha256: bytes,
    pdf: bytes,
    pages: int,
    fields: tuple[SignatureField, ...],
) -> bool:
    """Store a rendition. False when this version already has one of this kind, which is kept."""
    values = Jsonb([dataclasses.asdict(field) for field in fields])
    done = tx.execute(
        "INSERT INTO rendition (id, book, version, school, kind, content_sha256, pdf_sha256, pdf, pages, fields)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (book, version, kind) DO NOTHING",
        (rendition, str(book), version, school, kind, content_sha256, pdf_sha256, pdf, pages, values),
        binary=True,
    )
    return done.rowcount == 1


def find(tx: Tx, rendition: uuid.UUID) -> StoredRendition | None:
    """One rendition by id."""
    return rows(tx, _stored, _BY_ID, (rendition,)).fetchone()


def exists(tx: Tx, book: uuid.UUID, version: int, kind: Kind) -> bool:
    """Whether this version has a rendition of this kind."""
    row = tx.execute("SELECT FROM rendition WHERE book = %s AND version = %s AND kind = %s", (str(book), version, kind))
    return row.rowcount == 1


def list_of_book(tx: Tx, book: uuid.UUID) -> list[StoredRendition]:
    """The renditions of a book, newest first."""
    return rows(tx, _stored, _BY_BOOK, (str(book),)).fetchall()


def pdf(tx: Tx, rendition: uuid.UUID) -> bytes:
    """The bytes of a rendition that exists."""
    return one_row(scalars(tx, bytes, "SELECT pdf FROM rendition WHERE id = %s", (rendition,), binary=True))


def void(tx: Tx, book: uuid.UUID, version: int) -> None:
    """Record that a version has ended: its renditions, existing and to come, are void. Repeating it
    changes nothing.
    """
    tx.execute(
        "INSERT INTO voided_version (book, version) VALUES (%s, %s) ON CONFLICT DO NOTHING", (str(book), version)
    )


def is_void(tx: Tx, book: uuid.UUID, version: int) -> bool:
    """Whether a version has ended."""
    row = tx.execute("SELECT FROM voided_version WHERE book = %s AND version = %s", (str(book), version))
    return row.rowcount == 1


def _stored(*, book: str, kind: str, fields: list[dict[str, Any]], **columns: Any) -> StoredRendition:
    return StoredRendition(
        book=uuid.UUID(book), kind=Kind(kind), fields=tuple(SignatureField(**field) for field in fields), **columns
    )
