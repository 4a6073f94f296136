"""Rules of signing: whose turn it is, and what a document's state is."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.common.errors import Rejected

SEAL_RANK: Final = 4
"""Rank of the school's seal. 1: who made the record; 2: homeroom teacher; 3: principal
(docs/architecture.md).
"""
LEVEL: Final = "PAdES-B-B"

FETCH_JOB, SIGN_JOB = "fetch", "sign"
"""Kinds of jobs: take a signing copy from print; make the next signature of a document."""

SIGNING, SIGNED, SEALED, VOID = "SIGNING", "SIGNED", "SEALED", "VOID"
"""States of a document. A required signature is SIGNED too, or one of the next two."""
PENDING, CANCELLED = "PENDING", "CANCELLED"


@dataclass(frozen=True)
class Signatory:
    """A person or a school's seal, with the key's name and certificates (DER, own first).

    custodian: person id of who keeps the seal; empty for a person. custody: where the key is kept,
    for the Department's own register; keys of every custody are used through the token supervisor.
    """

    id: str
    school: str
    name: str
    seal: bool
    custodian: str
    key_uri: str
    algorithm: str
    custody: str
    certificate_chain: tuple[bytes, ...]

    @property
    def keeper(self) -> str:
        """Id of the only person who may activate this key."""
        return self.custodian if self.seal else self.id


@dataclass(frozen=True)
class Required:
    """One signature that a document needs.

    position: order in the book. state: PENDING, SIGNED or CANCELLED. name: of the signatory; empty
    until registered.
    """

    field: str
    position: int
    rank: int
    role: str
    signatory: str
    state: str = PENDING
    sign_time: dt.datetime | None = None
    certificate_sha256: bytes = b""
    level: str = ""
    name: str = ""


@dataclass(frozen=True)
class Document:
    """A document under signature.

    revision: number of the newest revision, which pdf_sha256 and pdf_size_bytes describe.
    """

    id: uuid.UUID
    number: int
    book: uuid.UUID
    version: int
    school: str
    state: str
    content_sha256: bytes
    revision: int
    pdf_sha256: bytes
    pdf_size_bytes: int


def begins_with(pdf: bytes, sha256: bytes, size_bytes: int) -> bool:
    """Whether a PDF begins with exactly the bytes that have this digest and size.

    Signatures are only appended, so that every revision begins with what print made (ADR-0069).
    """
    return len(pdf) >= size_bytes and hashlib.sha256(memoryview(pdf)[:size_bytes]).digest() == sha256


def due(required: Sequence[Required]) -> list[Required]:
    """The pending signatures whose turn it is: every lower rank has signed. In the order of the
    book.
    """
    pending = [signature for signature in required if signature.state == PENDING]
    lowest = min((signature.rank for signature in pending), default=0)
    return sorted((s for s in pending if s.rank == lowest), key=lambda signature: signature.position)


def left_after(required: Sequence[Required], signed: Required) -> list[Required]:
    """The signatures still to be made once `signed` is stored; without any, the document is
    closed.
    """
    return [signature for signature in required if signature.state == PENDING and signature.field != signed.field]


def state_after(required: Sequence[Required], signed: Required) -> str:
    """The document's state once `signed` is stored. Without a seal it ends SIGNED (ADR-0015)."""
    left = left_after(required, signed)
    if not left:
        return SEALED if signed.rank == SEAL_RANK else SIGNED
    return SIGNED if all(signature.rank == SEAL_RANK for signature in left) else SIGNING


def reason_text(required: Required) -> str:
    """What the signature dictionary gives as the reason for signing."""
    return {
        "SUBJECT_TEACHER": "Giáo viên bộ môn ký xác nhận kết quả môn học",
        "DATA_OFFICER": "Người phụ trách sổ ký xác nhận",
        "HOMEROOM_TEACHER": "Giáo viên chủ nhiệm ký xác nhận",
        "PRINCIPAL": "Hiệu trưởng ký duyệt",
        "SCHOOL_SEAL": "Đóng dấu số của nhà trường",
    }.get(required.role, "Ký xác nhận")


def check_validity(not_before: dt.datetime, not_after: dt.datetime, now: dt.datetime) -> None:
    """Before each use the certificate must be in force (Circular 15/2025/TT-BKHCN).

    Raises Rejected CERTIFICATE_NOT_IN_FORCE.
    """
    if not not_before <= now <= not_after:
        raise Rejected(
            "CERTIFICATE_NOT_IN_FORCE",
            "Chứng thư chữ ký số chưa có hiệu lực hoặc đã hết hạn.",
            not_before=not_before.isoformat(),
            not_after=not_after.isoformat(),
        )
