"""PKCS#10 requests (RFC 2986), signed by the token's key: all that a certificate authority sees."""

import hashlib
from pathlib import Path

from asn1crypto import algos, core, csr, pem, x509
from cryptography import x509 as parsed_x509

from services.signing import token_owner
from services.signing import token_wire as wire
from services.signing.ceremony.files import write_whole
from services.signing.ceremony.plan import KeyPlan
from services.signing.ceremony.token import OpenKey


def write(file: Path, key: OpenKey, plan: KeyPlan) -> None:
    """Write the request of this key and this name, unless the file asks for the same already."""
    info = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": _subject(plan),
            "subject_pk_info": key.public_info,
            "attributes": csr.CRIAttributes([]),
        }
    )
    if not (file.exists() and _asks_for(file.read_bytes(), info.dump())):
        write_whole(file, pem.armor("CERTIFICATE REQUEST", _signed(info, key, plan)))


def _asks_for(request: bytes, info: bytes) -> bool:
    try:
        existing = parsed_x509.load_pem_x509_csr(request)
    except ValueError:
        return False
    return existing.tbs_certrequest_bytes == info and existing.is_signature_valid


def _subject(plan: KeyPlan) -> x509.Name:
    return x509.Name.build(
        {
            "country_name": "VN",
            "organization_name": plan.organisation,
            "common_name": plan.name,
            "serial_number": plan.signatory,
        }
    )


def _signed(info: csr.CertificationRequestInfo, key: OpenKey, plan: KeyPlan) -> bytes:
    signature = token_owner.sign(key.private, plan.algorithm, hashlib.sha256(info.dump()).digest())
    return bytes(
        csr.CertificationRequest(
            {
                "certification_request_info": info,
                "signature_algorithm": _signature_algorithm(plan.algorithm),
                "signature": core.OctetBitString(signature),
            }
        ).dump()
    )


def _signature_algorithm(algorithm: str) -> algos.SignedDigestAlgorithm:
    if algorithm == wire.ECDSA_P256_SHA256:
        return algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"})
    if algorithm == wire.RSA_PKCS1_SHA256:
        return algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"})
    parameters = algos.RSASSAPSSParams(
        {
            "hash_algorithm": {"algorithm": "sha256"},
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": "sha256"}},
            "salt_length": 32,
        }
    )
    return algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": parameters})
