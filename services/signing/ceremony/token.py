"""Tokens of a ceremony and the keys in them (PKCS#11 v2.40); no private key leaves its token."""

import contextlib
import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pkcs11
from asn1crypto import keys
from pkcs11 import Attribute, KeyType, ObjectClass, TokenFlag
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters
from pkcs11.util.rsa import encode_rsa_public_key
from pkcs11.util.x509 import decode_x509_certificate

from services.common.config import read_secret
from services.signing import token_wire as wire
from services.signing.ceremony.plan import LABEL_BYTES, CeremonyConfig, CeremonyError, KeyPlan

KEY_LABEL: Final = "sign"
_KEY_ID: Final = b"\x01"
_RSA_BITS: Final = 3072
_REQUIRED_KEY_ATTRIBUTES: Final = {
    "private": (Attribute.PRIVATE, True),
    "sensitive": (Attribute.SENSITIVE, True),
    "always_sensitive": (Attribute.ALWAYS_SENSITIVE, True),
    "extractable": (Attribute.EXTRACTABLE, False),
    "never_extractable": (Attribute.NEVER_EXTRACTABLE, True),
    "local": (Attribute.LOCAL, True),
}


@dataclass(frozen=True)
class KeyInToken:
    """What the token says of itself and its key.

    public_key: SubjectPublicKeyInfo, DER; public_sha256: over the key alone (RFC 5280, 4.2.1.2 with
    SHA-256). certificates: those stored for this key, DER.
    """

    token_serial: str
    attributes: dict[str, bool]
    public_key: bytes
    public_sha256: bytes
    certificates: tuple[bytes, ...]


@dataclass(frozen=True)
class OpenKey:
    """A key, usable until its session ends. made_now: this session generated it."""

    session: Any
    private: Any
    public_info: keys.PublicKeyInfo
    facts: KeyInToken
    made_now: bool


@contextlib.contextmanager
def opened(config: CeremonyConfig, plan: KeyPlan) -> Iterator[OpenKey]:
    """Log in to the signatory's token; token and key are made when they are missing.

    Raises CeremonyError.
    """
    library = pkcs11.lib(str(config.module))
    pin = read_secret(plan.pin_file)
    token = _find_token(library, plan) or _new_token(library, config, plan)
    if TokenFlag.USER_PIN_INITIALIZED not in token.flags:
        with token.open(rw=True, so_pin=read_secret(config.so_pin_file)) as session:
            session.init_pin(pin)
    with token.open(rw=True, user_pin=pin) as session:
        private, public, made_now = _find_or_generate(session, plan)
        info = _public_key_info(public)
        facts = KeyInToken(
            token_serial=token.serial.decode("ascii", "replace").rstrip("\x00 "),
            attributes=_attested(private, plan),
            public_key=info.dump(),
            public_sha256=info.sha256,
            certificates=_stored_certificates(session),
        )
        yield OpenKey(session, private, info, facts, made_now)


def store_certificate(key: OpenKey, certificate: bytes) -> None:
    """Store a certificate (DER) with the key."""
    template = decode_x509_certificate(certificate)
    template.update({Attribute.TOKEN: True, Attribute.LABEL: KEY_LABEL, Attribute.ID: _KEY_ID})
    key.session.create_object(template)


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
    """Call C_InitToken, which python-pkcs11 does not offer, in the module that is already
    initialised (PKCS#11 v2.40, 5.5).
    """
    # Of C_InitToken in CK_FUNCTION_LIST, after the version, which is padded to a pointer's size.
    position = 9
    table = ctypes.POINTER(ctypes.c_void_p)()
    library = ctypes.CDLL(str(module))
    if library.C_GetFunctionList(ctypes.byref(table)) != 0:
        raise CeremonyError(f"{module} has no function list")
    prototype = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
    pin = so_pin.encode()
    result = prototype(table[1 + position])(slot_id, pin, len(pin), label.encode().ljust(LABEL_BYTES))
    if result != 0:
        raise CeremonyError(f"token {label}: C_InitToken answered {result:#x}")


def _find_or_generate(session: Any, plan: KeyPlan) -> tuple[Any, Any, bool]:
    def find(object_class: ObjectClass) -> list[Any]:
        return list(session.get_objects({Attribute.CLASS: object_class, Attribute.LABEL: KEY_LABEL}))

    private, public = find(ObjectClass.PRIVATE_KEY), find(ObjectClass.PUBLIC_KEY)
    if len(private) == 1 and len(public) == 1:
        if private[0].key_type != _key_type(plan):
            raise CeremonyError(f"{plan.signatory}: the token holds a key of another kind than {plan.algorithm} needs")
        return private[0], public[0], False
    if private or public:
        raise CeremonyError(f"{plan.signatory}: the token holds {len(private)} private and {len(public)} public keys")
    options: dict[str, Any] = {
        "id": _KEY_ID,
        "label": KEY_LABEL,
        "store": True,
        "capabilities": pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
        "private_template": {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True},
    }
    if _key_type(plan) == KeyType.EC:
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        pair = session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(**options)
    else:
        pair = session.generate_keypair(KeyType.RSA, _RSA_BITS, **options)
    return pair[1], pair[0], True


def _key_type(plan: KeyPlan) -> KeyType:
    return KeyType.EC if plan.algorithm == wire.ECDSA_P256_SHA256 else KeyType.RSA


def _attested(private: Any, plan: KeyPlan) -> dict[str, bool]:
    """Read the attributes back from the token: the template is only what was
    asked for.
    """
    answers = {name: bool(private[attribute]) for name, (attribute, _) in _REQUIRED_KEY_ATTRIBUTES.items()}
    wrong = [name for name, (_, wanted) in _REQUIRED_KEY_ATTRIBUTES.items() if answers[name] != wanted]
    if wrong:
        raise CeremonyError(f"{plan.signatory}: the private key is not as required: {', '.join(wrong)}")
    return answers


def _public_key_info(public: Any) -> keys.PublicKeyInfo:
    if public.key_type == KeyType.EC:
        return keys.PublicKeyInfo.load(encode_ec_public_key(public))
    return keys.PublicKeyInfo.wrap(keys.RSAPublicKey.load(encode_rsa_public_key(public)), "rsa")


def _stored_certificates(session: Any) -> tuple[bytes, ...]:
    stored = session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.ID: _KEY_ID})
    return tuple(bytes(certificate[Attribute.VALUE]) for certificate in stored)
