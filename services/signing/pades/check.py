"""Checks a signed document against the register: who must have signed, in which order, and who
sealed it last.

"All signatures are valid" is not enough: a book whose seal was cut off, or an earlier revision
offered as final, has only valid signatures. So the caller says who is expected, and anything
missing, added, reordered or uncovered is a problem.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from asn1crypto import parser, x509
from pyhanko.keys import load_certs_from_pemder_data
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.general import SigningError
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

# A single usage: pyHanko 0.38 loses `match_all_key_usages` on the way and then accepts any of
# several.
_KEY_USAGE: Final = KeyUsageConstraints(key_usage={"non_repudiation"})
_HEX: Final = re.compile(rb"[0-9A-Fa-f]*")


@dataclass(frozen=True)
class Expected:
    """One signature that must be there. signatory: subject serialNumber of its certificate."""

    field: str
    signatory: str


@dataclass(frozen=True)
class SignatureReport:
    """A signature of the document, in the order of signing.

    sign_time: as claimed in the document. problems: stable codes; empty when this signature is as
    it must be.
    """

    field: str
    signatory: str
    name: str
    sign_time: dt.datetime | None
    certificate_sha256: bytes
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """The document's state. problems: those of the document as a whole."""

    signatures: tuple[SignatureReport, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether exactly the expected signatures are there, all valid, the last one covering the
        whole file.
        """
        return not self.problems and not any(signature.problems for signature in self.signatures)


def check(pdf: bytes, expected: Sequence[Expected], roots: Sequence[bytes], at: dt.datetime) -> Report:
    """Check every signature, the chain up to `roots` (DER or PEM) at the time `at`, and the set as
    a whole.

    expected: all signatures in the order in which they must have been made; fewer than the final
    set while signing is under way. Never raises for a damaged file: that is problem UNREADABLE.
    """
    anchors = [certificate for root in roots for certificate in load_certs_from_pemder_data(root)]
    try:
        reader = PdfFileReader(BytesIO(pdf), strict=True)
        signatures = list(reader.embedded_signatures)
        reports = tuple(_check_one(signature, pdf, anchors, at) for signature in signatures)
        last = signatures[-1].evaluate_signature_coverage() if signatures else None
    except (PdfError, SigningError, ValueError, KeyError, TypeError, IndexError) as e:
        return Report((), (f"UNREADABLE:{type(e).__name__}",))
    problems = []
    if [(r.field, r.signatory) for r in reports] != [(e.field, e.signatory) for e in expected]:
        problems.append(_difference(reports, expected))
    if last != SignatureCoverageLevel.ENTIRE_FILE:
        problems.append("CHANGED_AFTER_LAST_SIGNATURE")
    return Report(reports, tuple(problems))


def _difference(reports: Sequence[SignatureReport], expected: Sequence[Expected]) -> str:
    signed, wanted = {r.field for r in reports}, {e.field for e in expected}
    if wanted - signed:
        return "SIGNATURE_MISSING"
    if signed - wanted:
        return "SIGNATURE_UNEXPECTED"
    by_field = {e.field: e.signatory for e in expected}
    if any(by_field[r.field] != r.signatory for r in reports):
        return "WRONG_SIGNATORY"
    return "WRONG_ORDER"


def _check_one(
    signature: EmbeddedPdfSignature, pdf: bytes, anchors: list[x509.Certificate], at: dt.datetime
) -> SignatureReport:
    context = ValidationContext(trust_roots=anchors, moment=at, best_signature_time=at, allow_fetching=False)
    problems = []
    try:
        status = validate_pdf_signature(signature, context, key_usage_settings=_KEY_USAGE)
    except SignatureValidationError as e:
        problems.append(f"INVALID:{type(e).__name__}")
    else:
        conditions = {
            "ALTERED": status.intact,
            "SIGNATURE_VALUE_WRONG": status.valid,
            "NOT_TRUSTED": status.trusted,
            "FORBIDDEN_CHANGE": status.docmdp_ok,
            "COVERAGE_WRONG": status.coverage >= SignatureCoverageLevel.ENTIRE_REVISION,
        }
        problems += [code for code, holds in conditions.items() if not holds]
    certificate = signature.signer_cert
    subject: dict[str, Any] = certificate.subject.native if certificate is not None else {}
    problems += _profile_problems(signature, pdf)
    return SignatureReport(
        field=signature.field_name,
        signatory=str(subject.get("serial_number", "")),
        name=str(subject.get("common_name", "")),
        sign_time=signature.self_reported_timestamp,
        certificate_sha256=certificate.sha256 if certificate is not None else b"",
        problems=tuple(problems),
    )


def _profile_problems(signature: EmbeddedPdfSignature, pdf: bytes) -> list[str]:
    """What PAdES-B-B demands beyond a valid CMS; also that its hole holds nothing else."""
    problems = []
    if signature.sig_object.get("/SubFilter") != "/ETSI.CAdES.detached":
        problems.append("NOT_PADES")
    attributes = {attribute["type"].native for attribute in signature.signer_info["signed_attrs"]}
    if "signing_certificate_v2" not in attributes or "signing_time" in attributes:
        problems.append("NOT_PADES")
    start, first, second, _ = (int(value) for value in signature.byte_range)
    hole = pdf[first:second]
    bare = start == 0 and hole[:1] == b"<" and hole[-1:] == b">" and _HEX.fullmatch(hole[1:-1])
    if not bare or signature.pkcs7_content[parser.peek(signature.pkcs7_content) :].strip(b"\0"):
        problems.append("HOLE_NOT_EMPTY")
    return problems
