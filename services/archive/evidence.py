"""Offline verification of a closed record: anybody can repeat it with the CA roots and nothing of
ours.

"All signatures are valid" is not enough: a book whose seal was cut off, or an earlier revision
offered as the final version, has only valid signatures. So the frozen content inside the file says
who had to sign, in which order and who closed it (the school's seal, or the principal where there
is none). Its digest comes from the register, and every difference is a failed check. This code
shares nothing with the code that signs. It is the only importer of pyHanko in archive.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any

from asn1crypto import parser, x509
from pyhanko.keys import load_certs_from_pemder_data
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import (
    DEFAULT_DIFF_POLICY,
    FormUpdatingRule,
    ModificationLevel,
    SigFieldModificationRule,
    StandardDiffPolicy,
    SuspiciousModification,
)
from pyhanko.sign.diff_analysis.constants import ACROFORM_EXEMPT_STRICT_COMPARISON, ROOT_EXEMPT_STRICT_COMPARISON
from pyhanko.sign.diff_analysis.rules.file_structure_rules import CatalogModificationRule
from pyhanko.sign.fields import FieldMDPAction, MDPPerm, enumerate_sig_fields
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from services.archive.report import Check, Report, SignatureFound

CONTENT_NAME = "content.json"
_CLOSING_ROLE = {"TEACHER_BOOK": "PRINCIPAL"}
"""Whose signature closes a record without a seal; SCHOOL_SEAL closes all others (ADR-0015)."""
_DIGESTS = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"})  # TT 15/2025/TT-BKHCN
_KEY_USAGE = KeyUsageConstraints(key_usage={"digital_signature", "non_repudiation"}, match_all_key_usages=True)
_CERTIFYING = StandardDiffPolicy(
    global_rules=[
        CatalogModificationRule({*ROOT_EXEMPT_STRICT_COMPARISON, "/Perms"}),  # type: ignore[no-untyped-call]
        *(rule for rule in DEFAULT_DIFF_POLICY.global_rules if not isinstance(rule, CatalogModificationRule)),
    ],
    form_rule=FormUpdatingRule([SigFieldModificationRule()], {*ACROFORM_EXEMPT_STRICT_COMPARISON, "/SigFlags"}),
)
"""What the certifying signature may change: the value of its field, and that the catalog and the
form say that there is a signature now (ISO 32000-1, 12.7.2 and 12.8.4).
"""
_HEX_STRING = re.compile(rb"<[0-9A-Fa-f]+>")


@dataclass(frozen=True)
class Required:
    """A signature that the content demands; see `signatories` in docs/formats."""

    order: int
    rank: int
    field: str
    role: str
    signatory: str
    name: str


@dataclass(frozen=True)
class Subject:
    """Which record the file must be, by the register or the event. record_type: such as
    ``CLASS_BOOK``.
    """

    record_type: str
    school: str
    school_year: str
    version: int


@dataclass(frozen=True)
class Printed:
    """The bytes that print made to be signed, as gradebook has noted them: SHA-256 and size."""

    sha256: bytes
    size_bytes: int


@dataclass(frozen=True)
class _Signature:
    """A signature in the file, in the order of its revision, and its problems: check name and
    detail.
    """

    signature: EmbeddedPdfSignature
    field: str
    signatory: str
    name: str
    problems: tuple[tuple[str, str], ...]


def verify(
    pdf: bytes,
    pdf_sha256: bytes,
    content_sha256: bytes,
    *,
    subject: Subject,
    roots: Sequence[bytes],
    at: datetime,
    printed: Printed | None = None,
) -> Report:
    """Check a closed record as a whole. Never raises for what is in the file: that is a failed
    check.

    pdf_sha256, content_sha256: from the register or the event, 32 bytes. roots: trusted CA
    certificates, PEM or DER. at: aware; the time at which certificates must have been valid, which
    is when the record was, or is being, locked. The lock proves that the signatures existed then;
    the certificates end long before the record does (NĐ 23/2025/NĐ-CP). printed: with what the file
    must begin, followed by signatures and nothing else (ADR-0069); None for a record that was
    compared with it when it was locked.
    """
    digest = hashlib.sha256(pdf).digest()
    checks = [Check("FILE_DIGEST", digest == pdf_sha256, f"SHA-256 {digest.hex()}")]
    try:
        reader = PdfFileReader(BytesIO(pdf), strict=True)
        contents = [_content_bytes(spec) for name, spec in _attachments(reader) if name == CONTENT_NAME]
        anchors = [certificate for root in roots for certificate in load_certs_from_pemder_data(root)]
        signatures = [_examine(signature, pdf, anchors, at) for signature in reader.embedded_signatures]
        fields = [name for name, _, _ in enumerate_sig_fields(reader)]
        document = _document_checks(reader, [s.signature for s in signatures])
        if printed is not None:
            document += _printed_checks(reader, pdf, printed)
    except Exception as e:  # noqa: BLE001 - whatever a hostile file makes the readers raise, it is no closed record
        return Report((*checks, Check("READABLE", False, type(e).__name__)), ())
    checks.append(Check("READABLE", True, f"{reader.xrefs.total_revisions} revisions"))
    checks += _content_checks(contents, content_sha256)
    parsed = _parsed(contents)
    checks.append(_subject_check(parsed, subject))
    required = _required(parsed)
    closing_role = _CLOSING_ROLE.get(subject.record_type, "SCHOOL_SEAL")
    checks += _signature_checks(signatures, required, fields, closing_role)
    return Report((*checks, *document), _signature_reports(signatures, required))


def _attachments(reader: PdfFileReader) -> Iterator[tuple[str, Any]]:
    """Name and file specification of every embedded file (ISO 32000-1, 7.7.4 and 7.9.6)."""
    pending = [reader.root["/Names"]["/EmbeddedFiles"]]
    while pending:
        node = pending.pop()
        pending += [kid.get_object() for kid in node.get("/Kids", ())]
        names = list(node.get("/Names", ()))
        for name, spec in zip(names[::2], names[1::2], strict=True):
            yield str(name), spec.get_object()


def _content_bytes(spec: Any) -> bytes:
    stream = spec["/EF"]["/F"]
    if not isinstance(stream, generic.StreamObject):
        raise PdfError("the attachment is no stream")
    data: bytes = stream.data
    return data


def _content_checks(contents: list[bytes], expected: bytes) -> list[Check]:
    digests = [hashlib.sha256(content).digest() for content in contents]
    return [
        Check("CONTENT_ATTACHED", len(contents) == 1, f"{len(contents)} × {CONTENT_NAME}"),
        Check("CONTENT_DIGEST", digests == [expected], ", ".join(d.hex() for d in digests)),
    ]


def _parsed(contents: list[bytes]) -> Any:
    """The attached content, or None when there is none, more than one or no JSON; then the checks
    on it fail.
    """
    try:
        (content,) = contents
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _subject_check(content: Any, subject: Subject) -> Check:
    try:
        stated = Subject(content["record_type"], content["school"]["code"], content["school_year"], content["version"])
    except (KeyError, TypeError):
        return Check("SUBJECT", False, "not in the content")
    return Check(
        "SUBJECT", stated == subject, f"{stated.record_type} {stated.school} {stated.school_year} v{stated.version}"
    )


def _required(content: Any) -> list[Required]:
    """Who must sign by the content; empty when it does not say, and then the checks fail."""
    try:
        return [
            Required(
                int(s["order"]), int(s["rank"]), str(s["field"]), str(s["role"]), str(s["signatory"]), str(s["name"])
            )
            for s in content["signatories"]
        ]
    except (ValueError, KeyError, TypeError):
        return []


def _examine(signature: EmbeddedPdfSignature, pdf: bytes, anchors: list[x509.Certificate], at: datetime) -> _Signature:
    """Check a signature by itself. Changes made afterwards are checked once, from the first
    signature on.
    """
    problems: list[tuple[str, str]] = []
    context = ValidationContext(trust_roots=anchors, moment=at, best_signature_time=at, allow_fetching=False)
    try:
        status = validate_pdf_signature(signature, context, key_usage_settings=_KEY_USAGE, skip_diff=True)
    except SignatureValidationError as e:
        problems.append(("SIGNATURES_INTACT", str(e)))
    else:
        problems += _status_problems(status)
    problems += [(name, "") for name, holds in _profile(signature, pdf) if not holds]
    subject: dict[str, Any] = signature.signer_cert.subject.native
    return _Signature(
        signature,
        str(signature.field_name),
        str(subject.get("serial_number", "")),
        str(subject.get("common_name", "")),
        tuple(problems),
    )


def _status_problems(status: PdfSignatureStatus) -> Iterator[tuple[str, str]]:
    if not status.intact:
        yield "SIGNATURES_INTACT", "the bytes changed"
    if not status.valid:
        yield "SIGNATURES_INTACT", "the signature value is wrong"
    if not status.trusted:
        yield "CHAINS_TRUSTED", str(status.trust_problem_indic or "no path to a trusted root")
    if status.coverage is None or status.coverage < SignatureCoverageLevel.ENTIRE_REVISION:
        yield "REVISIONS_COVERED", ""


def _profile(signature: EmbeddedPdfSignature, pdf: bytes) -> Iterator[tuple[str, bool]]:
    """What PAdES baseline B demands beyond a valid CMS (ETSI EN 319 142-1, 6.3), and that nothing
    hides around it.
    """
    attributes = {attribute["type"].native for attribute in signature.signer_info["signed_attrs"]}
    yield (
        "PADES_PROFILE",
        signature.sig_object.get("/SubFilter") == "/ETSI.CAdES.detached"
        and signature.sig_object_type == "/Sig"
        and "signing_certificate_v2" in attributes
        and "signing_time" not in attributes
        and signature.md_algorithm in _DIGESTS,
    )
    start, first, second, _ = (int(value) for value in signature.byte_range)
    content = signature.pkcs7_content
    yield (
        "NOTHING_HIDDEN",
        start == 0
        and _HEX_STRING.fullmatch(pdf, first, second) is not None
        and not content[parser.peek(content) :].strip(b"\0"),
    )


def _document_checks(reader: PdfFileReader, signatures: list[EmbeddedPdfSignature]) -> list[Check]:
    """The checks on the signatures and the file as a whole."""
    if not signatures:
        return [Check("SEAL_COVERS_FILE", False, "no signature"), Check("CHANGES_PERMITTED", False, "no signature")]
    first, last = signatures[0], signatures[-1]
    covers = last.evaluate_signature_coverage() == SignatureCoverageLevel.ENTIRE_FILE
    newest = last.signed_revision == reader.xrefs.total_revisions - 1
    revisions = [s.signed_revision for s in signatures]
    closes = last.fieldmdp is not None and last.fieldmdp.action is FieldMDPAction.ALL
    certifies = first.docmdp_level in (MDPPerm.NO_CHANGES, MDPPerm.FILL_FORMS) and "/Perms" in reader.root
    first.compute_integrity_info()  # type: ignore[no-untyped-call]
    permitted = bool(first.summarise_integrity_info()["docmdp_ok"])
    return [
        Check("SEAL_COVERS_FILE", covers and newest, "" if covers and newest else "bytes after the last signature"),
        Check("ONE_REVISION_EACH", len(set(revisions)) == len(revisions), str(revisions)),
        Check(
            "CHANGES_PERMITTED", certifies and permitted, "" if certifies else "the first signature does not certify"
        ),
        Check("CLOSED_BY_SEAL", closes, "" if closes else "the last signature does not lock every field"),
    ]


def _printed_checks(reader: PdfFileReader, pdf: bytes, printed: Printed) -> list[Check]:
    """The file begins with print's bytes; each revision after them is a signature, and the first,
    before which nothing was signed yet, changes nothing else either.
    """
    original = pdf[: printed.size_bytes]
    digest = hashlib.sha256(original).digest()
    same = len(original) == printed.size_bytes and digest == printed.sha256
    checks = [Check("PRINTED_BYTES", same, f"SHA-256 {digest.hex()} of {len(original)} bytes")]
    if not same:
        return [*checks, Check("SIGNATURES_ONLY", False, "not print's bytes")]
    first = PdfFileReader(BytesIO(original), strict=True).xrefs.total_revisions
    signed = [signature.signed_revision for signature in reader.embedded_signatures]
    alone = signed == list(range(first, reader.xrefs.total_revisions)) and bool(signed)
    return [*checks, Check("SIGNATURES_ONLY", alone and _only_signs(reader, first), f"{signed} after {first}")]


def _only_signs(reader: PdfFileReader, revision: int) -> bool:
    """Whether a revision signs one field and changes nothing that the one before it shows."""
    old, new = (reader.get_historical_resolver(number) for number in (revision - 1, revision))
    try:
        change = _CERTIFYING.apply(old, new, doc_mdp=MDPPerm.FILL_FORMS)
    except SuspiciousModification:
        return False
    return change.modification_level <= ModificationLevel.FORM_FILLING and len(change.changed_form_fields) == 1


def _signature_checks(
    signatures: list[_Signature], required: list[Required], fields: list[str], closing_role: str
) -> Iterator[Check]:
    """Compare the signatures in the file with those required: by field, person, name, rank and who
    closed it.
    """
    signed, by_field = [s.field for s in signatures], {r.field: r for r in required}
    missing, extra = sorted(by_field.keys() - set(signed)), sorted(set(fields) - by_field.keys())
    complete = bool(required) and not missing and not extra and len(signed) == len(required) == len(by_field)
    yield Check(
        "SIGNATURES_COMPLETE", complete, f"missing {missing}, unexpected {extra}" if not complete else str(len(signed))
    )
    known = [(s, by_field[s.field]) for s in signatures if s.field in by_field]
    wrong = [f"{s.field}: {s.signatory}" for s, r in known if s.signatory != r.signatory]
    yield Check("SIGNATORIES", bool(known) and not wrong, ", ".join(wrong))
    misnamed = [f"{s.field}: {s.name}" for s, r in known if s.name != r.name]
    yield Check("SIGNATORY_NAMES", bool(known) and not misnamed, ", ".join(misnamed))
    ranks = [r.rank for _, r in known]
    closed = bool(known) and known[-1][1].role == closing_role and signatures[-1] is known[-1][0]
    yield Check("SIGNING_ORDER", ranks == sorted(ranks) and closed, " ".join(map(str, ranks)))
    for name in ("SIGNATURES_INTACT", "CHAINS_TRUSTED", "REVISIONS_COVERED", "PADES_PROFILE", "NOTHING_HIDDEN"):
        bad = [f"{s.field}: {why}".rstrip(": ") for s in signatures for check, why in s.problems if check == name]
        yield Check(name, bool(signatures) and not bad, ", ".join(bad))


def _signature_reports(signatures: list[_Signature], required: list[Required]) -> tuple[SignatureFound, ...]:
    by_field = {r.field: r for r in required}
    reports = []
    for position, signature in enumerate(signatures, 1):
        demanded = by_field.get(signature.field)
        reports.append(
            SignatureFound(
                field=signature.field,
                order=position,
                role=demanded.role if demanded else "",
                signatory=signature.signatory,
                name=signature.name,
                sign_time=signature.signature.self_reported_timestamp,
                valid=not signature.problems and demanded is not None and demanded.signatory == signature.signatory,
            )
        )
    return tuple(reports)
