"""Signing one field: PAdES-B-B (ETSI EN 319 142-1, 5.3 and 6.2) as an incremental update, checked
before it leaves.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from asn1crypto import cms, parser
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509 import load_der_x509_certificate
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import FieldMDPAction, FieldMDPSpec, MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers.cms_embedder import (
    PdfCMSEmbedder,
    SigAppearanceSetup,
    SigIOSetup,
    SigMDPSetup,
    SigObjSetup,
)
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from services.common.vietnam import VIETNAM
from services.signing import token_wire as wire
from services.signing.pades import cms_der
from services.signing.pades.appearance import Mark, draw

"""Time zone of every time in a document (Decree 30/2020/NĐ-CP, Appendix I); Vietnam has no summer
time.
"""

_BYTE_RANGE: Final = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")


class OwnOutputError(Exception):
    """The signature just made does not verify, or does not cover the file. Nothing of it may be
    stored.
    """


@dataclass(frozen=True)
class SignerProfile:
    """Who signs and how.

    certificates: DER, the signatory's first, then the issuers.
    algorithm: one of `token_wire.ALGORITHMS`.
    raw_sign: called once with the ByteRange digest and the SHA-256 digest to sign (of the signed
        attributes, which name the first); returns the signature value, ECDSA as DER.
    """

    certificates: tuple[bytes, ...]
    algorithm: str
    raw_sign: Callable[[bytes, bytes], bytes]


@dataclass(frozen=True)
class Signed:
    """A signed revision.

    digest: SHA-256 over the bytes that the signature covers (its ByteRange). time: as claimed.
    """

    pdf: bytes
    digest: bytes
    time: dt.datetime


class _Writer(IncrementalPdfFileWriter):
    """Appends a signature and nothing else."""

    def _update_meta(self) -> None:
        """The document's metadata describe the book; a signature must not rewrite them, which would
        also break PDF/A.
        """


@dataclass(frozen=True)
class _DrawnAppearance(SigAppearanceSetup):
    mark: Mark | None = None

    def apply(self, sig_annot: Any, writer: Any) -> None:
        assert self.mark is not None
        left, bottom, right, top = (float(value) for value in sig_annot["/Rect"])
        width, height = abs(right - left), abs(top - bottom)
        form = generic.StreamObject(
            {
                pdf_name("/Type"): pdf_name("/XObject"),
                pdf_name("/Subtype"): pdf_name("/Form"),
                pdf_name("/BBox"): generic.ArrayObject(map(generic.FloatObject, (0, 0, width, height))),
                pdf_name("/Resources"): generic.DictionaryObject(),  # type: ignore[no-untyped-call]
            },
            stream_data=draw(self.mark, width, height, self.timestamp),
        )
        form.compress()  # type: ignore[no-untyped-call]
        normal = {pdf_name("/N"): writer.add_object(form)}
        sig_annot["/AP"] = generic.DictionaryObject(normal)  # type: ignore[no-untyped-call]
        writer.update_container(sig_annot)


def sign_field(
    pdf: bytes, field: str, signer: SignerProfile, *, mark: Mark, reason: str, at: dt.datetime, first: bool, last: bool
) -> Signed:
    """Sign the empty field `field` and return the whole new revision, verified.

    at: aware; written as /M at +07:00 and drawn, cut to seconds: a claim, the CMS carries no
        signing-time.
    first: certifies the document so that only forms may be filled and signatures added (DocMDP 2).
    last: locks every field and allows no change afterwards; the school's seal, or the last person
        where there is none.
    Raises OwnOutputError, and whatever `raw_sign` raises.
    """
    at = at.astimezone(VIETNAM).replace(microsecond=0)
    writer = _Writer(BytesIO(pdf))
    writer.register_extension(ESIC_EXTENSION_1)
    steps = PdfCMSEmbedder().write_cms(field_name=field, writer=writer, existing_fields_only=True)
    next(steps)
    reserved = cms_der.reserved_digits(signer.certificates, signer.algorithm)
    steps.send(
        SigObjSetup(
            sig_placeholder=SignatureObject(
                timestamp=at, bytes_reserved=reserved, subfilter=SigSeedSubFilter.PADES, reason=reason
            ),
            mdp_setup=_locking(first=first, last=last),
            appearance_setup=_DrawnAppearance(style=None, timestamp=at, name=None, mark=mark),  # type: ignore[arg-type]
        )
    )
    prepared, output = steps.send(SigIOSetup(md_algorithm="sha256"))
    attributes = cms_der.signed_attributes(signer.certificates, signer.algorithm, prepared.document_digest)
    signed_digest = cms_der.attributes_digest(attributes)
    value = signer.raw_sign(prepared.document_digest, signed_digest)
    content = cms_der.content_info(signer.certificates, signer.algorithm, attributes, value)
    steps.send(content)
    signed = output.getvalue()
    digest = verify_newest(signed, signer.certificates[0])
    if digest != prepared.document_digest:
        raise OwnOutputError("the digest signed is not the digest of the file written")
    return Signed(signed, digest, at)


def verify_newest(pdf: bytes, certificate: bytes) -> bytes:
    """Check the newest signature without pyHanko and return its ByteRange digest.

    It must verify with `certificate`, name it in signing-certificate-v2, be the last thing in the
    file, leave out nothing but its own hexadecimal string, and be padded with zeros only. Also
    stops faulty RSA-CRT results of a token, which would reveal the key, from leaving.
    Raises OwnOutputError.
    """
    ranges = list(_BYTE_RANGE.finditer(pdf))
    if not ranges:
        raise OwnOutputError("no signature")
    start, first, second, rest = (int(group) for group in ranges[-1].groups())
    if start != 0 or second + rest != len(pdf) or pdf[first : first + 1] != b"<" or pdf[second - 1 : second] != b">":
        raise OwnOutputError("the signature does not cover the whole file")
    content = bytes.fromhex(pdf[first + 1 : second - 1].decode("ascii"))
    info = cms.ContentInfo.load(content)
    if content[parser.peek(content) :].strip(b"\0"):
        raise OwnOutputError("the space after the signature is not empty")
    digest = hashlib.sha256(memoryview(pdf)[:first])
    digest.update(memoryview(pdf)[second:])
    (signer_info,) = info["content"]["signer_infos"]
    # Signed with the tag of a SET, stored with an implicit one (RFC 5652, 5.4). Taken before
    # anything inside is read, because asn1crypto encodes again whatever it has once parsed.
    signed = hashlib.sha256(b"\x31" + signer_info["signed_attrs"].dump()[1:]).digest()
    attributes = {attribute["type"].native: attribute["values"][0] for attribute in signer_info["signed_attrs"]}
    if attributes["message_digest"].native != digest.digest():
        raise OwnOutputError("the signature is over another file")
    named = attributes["signing_certificate_v2"]["certs"][0]["cert_hash"].native
    if named != hashlib.sha256(certificate).digest():
        raise OwnOutputError("the signature names another certificate")
    if "signing_time" in attributes:
        raise OwnOutputError("PAdES forbids the signing-time attribute")
    _verify_value(certificate, signer_info, signed)
    return digest.digest()


def verify_raw(certificate: bytes, algorithm: str, digest: bytes, signature: bytes) -> bool:
    """Whether `signature` over the SHA-256 `digest` was made by the private key of `certificate`
    (DER).
    """
    key = load_der_x509_certificate(certificate).public_key()
    hashed = utils.Prehashed(hashes.SHA256())
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, digest, ec.ECDSA(hashed))
        elif isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            key.verify(signature, digest, pss if algorithm == wire.RSA_PSS_SHA256 else padding.PKCS1v15(), hashed)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _verify_value(certificate: bytes, signer_info: cms.SignerInfo, signed: bytes) -> None:
    mechanism = signer_info["signature_algorithm"]["algorithm"].native
    algorithm = next(name for name, value in cms_der.MECHANISMS.items() if value["algorithm"] == mechanism)
    if not verify_raw(certificate, algorithm, signed, signer_info["signature"].native):
        raise OwnOutputError("the signature value does not verify with the certificate")


def _locking(*, first: bool, last: bool) -> SigMDPSetup | None:
    if first:
        return SigMDPSetup(md_algorithm="sha256", certify=True, docmdp_perms=MDPPerm.FILL_FORMS)
    if last:
        lock = FieldMDPSpec(FieldMDPAction.ALL)
        return SigMDPSetup(md_algorithm="sha256", field_lock=lock, docmdp_perms=MDPPerm.NO_CHANGES)
    return None
