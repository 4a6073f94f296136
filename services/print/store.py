"""All SQL of print: renditions and voided versions."""

import dataclasses
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from services.common.db import Tx

_SELECT = (
    "SELECT r.id, r.book, r.version, r.school, r.kind, r.content_sha256, r.pdf_sha256, length(r.pdf), r.pages,"
    " r.fields, r.created_time, EXISTS (SELECT FROM voided_version v WHERE v.book = r.book AND v.version = r.version)"
    " FROM rendition r"
)
_BY_ID = _SELECT + " WHERE r.id = %s"
_BY_BOOK = _SELECT + " WHERE r.book = %s ORDER BY r.created_time DESC, r.version DESC, r.kind"


@dataclass(frozen=True)
class SignatureField:
    """A signature field of a signing copy: its name in the PDF, place in the order, rank, role and who signs."""

    name: str
    order: int
    rank: int
    role: str
    signatory: str


@dataclass(frozen=True)
class StoredRendition:
    """A rendition without its bytes. kind: UNSIGNED or SIGNING; void: the book's version has ended."""

    id: uuid.UUID
    book: str
    version: int
    school: str
    kind: str
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
    book: str,
    version: int,
    school: str,
    kind: str,
    content_sha256: bytes,
    pdf_sha256: bytes,
    pdf: bytes,
    pages: int,
    fields: tuple[SignatureField, ...],
) -> bool:
    """Store a rendition. False when this version has one of this kind already, which stays as it is."""
    values = Jsonb([dataclasses.asdict(one) for one in fields])
    done = tx.execute(
        "INSERT INTO rendition (id, book, version, school, kind, content_sha256, pdf_sha256, pdf, pages, fields)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (book, version, kind) DO NOTHING",
        (rendition, book, version, school, kind, content_sha256, pdf_sha256, pdf, pages, values),
        binary=True,
    )
    return done.rowcount == 1


def find(tx: Tx, rendition: uuid.UUID) -> StoredRendition | None:
    """One rendition by id."""
    row = tx.execute(_BY_ID, (rendition,)).fetchone()
    return _stored(row) if row else None


def exists(tx: Tx, book: str, version: int, kind: str) -> bool:
    """Whether this version has a rendition of this kind."""
    found = tx.execute(
        "SELECT 1 FROM rendition WHERE book = %s AND version = %s AND kind = %s", (book, version, kind)
    ).fetchone()
    return found is not None


def list_of_book(tx: Tx, book: str) -> list[StoredRendition]:
    """The renditions of a book, newest first."""
    return [_stored(row) for row in tx.execute(_BY_BOOK, (book,))]


def pdf(tx: Tx, rendition: uuid.UUID) -> bytes:
    """The bytes of a rendition that exists."""
    row = tx.execute("SELECT pdf FROM rendition WHERE id = %s", (rendition,), binary=True).fetchone()
    assert row is not None
    return bytes(row[0])


def void(tx: Tx, book: str, version: int) -> None:
    """Record that a version has ended; harmless when repeated."""
    tx.execute("INSERT INTO voided_version (book, version) VALUES (%s, %s) ON CONFLICT DO NOTHING", (book, version))


def is_void(tx: Tx, book: str, version: int) -> bool:
    """Whether a version has ended."""
    row = tx.execute("SELECT 1 FROM voided_version WHERE book = %s AND version = %s", (book, version)).fetchone()
    return row is not None


def _stored(row: tuple[Any, ...]) -> StoredRendition:
    fields = tuple(SignatureField(**one) for one in row[9])
    return StoredRendition(*(*row[:9], fields, *row[10:]))
