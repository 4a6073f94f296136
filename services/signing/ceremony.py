"""The key ceremony: from a reviewed file to tokens whose keys were born inside them, with certificates.

For each signatory: token initialised, PIN set, key pair generated in the token (sensitive, not extractable, local),
request signed by the key itself, certificate issued by the CA and stored beside the key. Repeating a ceremony changes
nothing that is there. PINs come from files of mode 0600 and appear in no argument, log or record.
"""

import ctypes
import dataclasses
import datetime as dt
import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pkcs11
from asn1crypto import algos, core, csr, keys, pem, x509
from pkcs11 import Attribute, KeyType, ObjectClass, TokenFlag
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters
from pkcs11.util.rsa import encode_rsa_public_key
from pkcs11.util.x509 import decode_x509_certificate

from services.common.config import ConfigError, read_secret
from services.signing import token_owner
from services.signing import token_wire as wire
from services.signing.test_ca import TestCa

_LABEL_BYTES: Final = 32  # CK_TOKEN_INFO.label
_PIN_DIGITS: Final = 8
_RSA_BITS: Final = 3072
_PRINTABLE_STRING: Final = re.compile(r"[A-Za-z0-9'()+,./:=?-]{1,64}")  # X.520 serialNumber, X.680 PrintableString
_KEY_LABEL: Final = "sign"
_KEY_ID: Final = b"\x01"
_REQUIRED_KEY_ATTRIBUTES: Final = {
    "private": (Attribute.PRIVATE, True),
    "sensitive": (Attribute.SENSITIVE, True),
    "always_sensitive": (Attribute.ALWAYS_SENSITIVE, True),
    "extractable": (Attribute.EXTRACTABLE, False),
    "never_extractable": (Attribute.NEVER_EXTRACTABLE, True),
    "local": (Attribute.LOCAL, True),
}


class CeremonyError(ConfigError):
    """The ceremony cannot go on; the message says at which signatory and why. Nothing that exists was changed."""


@dataclass(frozen=True)
class KeyPlan:
    """One signatory's token.

    signatory: person id, or the school code for the seal. name: as the certificate shall say (CN); organisation: the
    school's name (O); school: its code. token: label. custodian: person id, for the seal and only there.
    """

    signatory: str
    name: str
    organisation: str
    school: str
    token: str
    pin_file: Path
    custodian: str = ""
    algorithm: str = wire.ECDSA_P256_SHA256


@dataclass(frozen=True)
class CeremonyConfig:
    """A ceremony.

    module: PKCS#11 module; module_name: its name in key URIs. ca_dir: the test CA's folder, made when missing.
    certificates_dir: receives <signatory>.pem, each with its chain. record_file: the record, JSON.
    create_pins: make missing PIN files (random digits), as a demonstration or a sealed PIN letter needs.
    """

    module: Path
    module_name: str
    so_pin_file: Path
    ca_dir: Path
    certificates_dir: Path
    record_file: Path
    keys: tuple[KeyPlan, ...]
    create_pins: bool = False


@dataclass(frozen=True)
class KeyRecord:
    """What the ceremony attests for one signatory."""

    signatory: str
    name: str
    organisation: str
    token: str
    token_serial: str
    key_uri: str
    algorithm: str
    key_attributes: dict[str, bool]
    public_key_sha256: str
    certificate_file: str
    certificate_sha256: str
    certificate_serial: str
    certificate_subject: str
    not_after: str
    made_now: bool


def perform(config: CeremonyConfig) -> list[KeyRecord]:
    """Carry out or complete the ceremony. Raises CeremonyError, ConfigError (PIN files), RequestRefusedError."""
    _check(config)
    if config.create_pins:
        for file in (config.so_pin_file, *(plan.pin_file for plan in config.keys)):
            _create_pin(file)
    authority = TestCa(config.ca_dir)
    authority.create()
    requests = [_token_with_key(config, plan) for plan in config.keys]
    certificates = authority.issue([made.request for made in requests])
    config.certificates_dir.mkdir(parents=True, exist_ok=True)
    chain = b"".join(_armor(certificate) for certificate in authority.chain())
    records = []
    for plan, made, certificate in zip(config.keys, requests, certificates, strict=True):
        if not made.has_certificate:
            _store_certificate(config, plan, certificate)
        file = config.certificates_dir / f"{plan.signatory}.pem"
        file.write_bytes(_armor(certificate) + chain)
        records.append(_record(config, plan, made, certificate, file))
    return records


def write_record(config: CeremonyConfig, records: list[KeyRecord]) -> str:
    """Write the record (JSON) and return its text.

    ``keys`` is what the witnesses read out and sign; ``signatories`` is ready for `PutSignatory` (``hoso keys
    register``), certificates in hexadecimal DER.
    """
    signatories = [_signatory(plan, record) for plan, record in zip(config.keys, records, strict=True)]
    document = {
        "performed_time": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "keys": [dataclasses.asdict(record) for record in records],
        "signatories": signatories,
    }
    text = json.dumps(document, ensure_ascii=False, indent=1)
    config.record_file.parent.mkdir(parents=True, exist_ok=True)
    config.record_file.write_text(text, encoding="utf-8")
    return text


def _signatory(plan: KeyPlan, record: KeyRecord) -> dict[str, Any]:
    chain = pem.unarmor(Path(record.certificate_file).read_bytes(), multiple=True)
    return {
        "id": plan.signatory,
        "school": plan.school,
        "name": plan.name,
        "seal": bool(plan.custodian),
        "custodian": plan.custodian,
        "key_uri": record.key_uri,
        "algorithm": plan.algorithm,
        "custody": "KEY_CUSTODY_HSM_PARTITION",
        "certificate_chain": [der.hex() for _, _, der in chain],
    }


@dataclass(frozen=True)
class _Made:
    request: bytes
    token_serial: str
    attributes: dict[str, bool]
    has_certificate: bool
    made_now: bool


def _check(config: CeremonyConfig) -> None:
    for values, what in (([p.signatory for p in config.keys], "signatory"), ([p.token for p in config.keys], "token")):
        repeated = sorted({value for value in values if values.count(value) > 1})
        if repeated:
            raise CeremonyError(f"{what} named twice: {', '.join(repeated)}")
    for plan in config.keys:
        if len(plan.token.encode()) > _LABEL_BYTES:
            raise CeremonyError(f"{plan.signatory}: token label is longer than {_LABEL_BYTES} bytes")
        if not _PRINTABLE_STRING.fullmatch(plan.signatory):
            raise CeremonyError(
                f"{plan.signatory}: a certificate's serialNumber holds letters, digits and '()+,-./:=? only"
            )
        if plan.algorithm not in wire.ALGORITHMS:
            raise CeremonyError(f"{plan.signatory}: unknown algorithm {plan.algorithm}")


def _create_pin(file: Path) -> None:
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text("".join(secrets.choice("0123456789") for _ in range(_PIN_DIGITS)), encoding="ascii")


def _token_with_key(config: CeremonyConfig, plan: KeyPlan) -> _Made:
    """Find or make the token and its key, and let the key sign the certificate request."""
    library = pkcs11.lib(str(config.module))
    pin = read_secret(plan.pin_file)
    token = _find_token(library, plan) or _new_token(library, config, plan)
    if TokenFlag.USER_PIN_INITIALIZED not in token.flags:
        with token.open(rw=True, so_pin=read_secret(config.so_pin_file)) as session:
            session.init_pin(pin)
    with token.open(rw=True, user_pin=pin) as session:
        private, public, made_now = _find_or_generate(session, plan)
        attributes = _attested(private, plan)
        public_info = _public_key_info(public)
        return _Made(
            request=_request(private, public_info, plan),
            token_serial=token.serial.decode("ascii", "replace").rstrip("\x00 "),
            attributes=attributes,
            has_certificate=_has_certificate(session, public_info),
            made_now=made_now,
        )


def _find_token(library: Any, plan: KeyPlan) -> Any:
    tokens = list(library.get_tokens(token_label=plan.token))
    if len(tokens) > 1:
        raise CeremonyError(f"{plan.signatory}: {len(tokens)} tokens are labelled {plan.token}")
    return tokens[0] if tokens else None


def _new_token(library: Any, config: CeremonyConfig, plan: KeyPlan) -> Any:
    for slot in library.get_slots(token_present=True):
        if TokenFlag.TOKEN_INITIALIZED not in slot.get_token().flags:
            _init_token(config.module, slot.slot_id, read_secret(config.so_pin_file), plan.token)
            token = _find_token(library, plan)
            if token is not None:
                return token
    raise CeremonyError(f"{plan.signatory}: no empty slot for the token {plan.token}")


def _init_token(module: Path, slot_id: int, so_pin: str, label: str) -> None:
    """Call C_InitToken, which python-pkcs11 does not offer, in the already initialised module (PKCS#11 v2.40, 5.5)."""
    position = 9  # of C_InitToken in CK_FUNCTION_LIST, after the version, which is padded to a pointer's size
    table = ctypes.POINTER(ctypes.c_void_p)()
    library = ctypes.CDLL(str(module))
    if library.C_GetFunctionList(ctypes.byref(table)) != 0:
        raise CeremonyError(f"{module} has no function list")
    prototype = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
    pin = so_pin.encode()
    result = prototype(table[1 + position])(slot_id, pin, len(pin), label.encode().ljust(_LABEL_BYTES))
    if result != 0:
        raise CeremonyError(f"token {label}: C_InitToken answered {result:#x}")


def _find_or_generate(session: Any, plan: KeyPlan) -> tuple[Any, Any, bool]:
    def find(object_class: ObjectClass) -> list[Any]:
        return list(session.get_objects({Attribute.CLASS: object_class, Attribute.LABEL: _KEY_LABEL}))

    private, public = find(ObjectClass.PRIVATE_KEY), find(ObjectClass.PUBLIC_KEY)
    if len(private) == 1 and len(public) == 1:
        return private[0], public[0], False
    if private or public:
        raise CeremonyError(f"{plan.signatory}: the token holds {len(private)} private and {len(public)} public keys")
    options: dict[str, Any] = {
        "id": _KEY_ID,
        "label": _KEY_LABEL,
        "store": True,
        "capabilities": pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
        "private_template": {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True},
    }
    if plan.algorithm == wire.ECDSA_P256_SHA256:
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        made = session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(**options)
    else:
        made = session.generate_keypair(KeyType.RSA, _RSA_BITS, **options)
    return made[1], made[0], True


def _attested(private: Any, plan: KeyPlan) -> dict[str, bool]:
    """Read the attributes back from the token: a template is a wish, the token's answer is the fact."""
    found = {name: bool(private[attribute]) for name, (attribute, _) in _REQUIRED_KEY_ATTRIBUTES.items()}
    wrong = [name for name, (_, wanted) in _REQUIRED_KEY_ATTRIBUTES.items() if found[name] != wanted]
    if wrong:
        raise CeremonyError(f"{plan.signatory}: the private key is not as required: {', '.join(wrong)}")
    return found


def _public_key_info(public: Any) -> keys.PublicKeyInfo:
    if public.key_type == KeyType.EC:
        return keys.PublicKeyInfo.load(encode_ec_public_key(public))
    return keys.PublicKeyInfo.wrap(keys.RSAPublicKey.load(encode_rsa_public_key(public)), "rsa")


def _request(private: Any, public_info: keys.PublicKeyInfo, plan: KeyPlan) -> bytes:
    """A PKCS#10 request (RFC 2986) that the token's key signs."""
    subject = x509.Name.build(
        {
            "country_name": "VN",
            "organization_name": plan.organisation,
            "common_name": plan.name,
            "serial_number": plan.signatory,
        }
    )
    info = csr.CertificationRequestInfo(
        {"version": "v1", "subject": subject, "subject_pk_info": public_info, "attributes": csr.CRIAttributes([])}
    )
    signature = token_owner.sign(private, plan.algorithm, hashlib.sha256(info.dump()).digest())
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


def _has_certificate(session: Any, public_info: keys.PublicKeyInfo) -> bool:
    for stored in session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.ID: _KEY_ID}):
        certificate = x509.Certificate.load(stored[Attribute.VALUE])
        if certificate.public_key.sha256 == public_info.sha256:
            return True
    return False


def _store_certificate(config: CeremonyConfig, plan: KeyPlan, certificate: x509.Certificate) -> None:
    token = _find_token(pkcs11.lib(str(config.module)), plan)
    with token.open(rw=True, user_pin=read_secret(plan.pin_file)) as session:
        template = decode_x509_certificate(certificate.dump())
        template.update({Attribute.TOKEN: True, Attribute.LABEL: _KEY_LABEL, Attribute.ID: _KEY_ID})
        session.create_object(template)


def _record(config: CeremonyConfig, plan: KeyPlan, made: _Made, certificate: x509.Certificate, file: Path) -> KeyRecord:
    uri = (
        f"pkcs11:token={quote(plan.token, safe='')};serial={quote(made.token_serial, safe='')};"
        f"object={_KEY_LABEL};type=private?module-name={config.module_name}"
    )
    return KeyRecord(
        signatory=plan.signatory,
        name=plan.name,
        organisation=plan.organisation,
        token=plan.token,
        token_serial=made.token_serial,
        key_uri=uri,
        algorithm=plan.algorithm,
        key_attributes=made.attributes,
        public_key_sha256=certificate.public_key.sha256.hex(),
        certificate_file=str(file),
        certificate_sha256=certificate.sha256.hex(),
        certificate_serial=f"{certificate.serial_number:x}",
        certificate_subject=certificate.subject.human_friendly,
        not_after=certificate.not_valid_after.isoformat(),
        made_now=made.made_now,
    )


def _armor(certificate: x509.Certificate) -> bytes:
    return bytes(pem.armor("CERTIFICATE", certificate.dump()))
