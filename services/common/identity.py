"""Who is calling: the client by its certificate, the acting person by a signed token.

The client name is the certificate's URI SAN without ``urn:hoso:`` (``vendor/smas``,
``service/print``). The person travels as ``authorization: Bearer <JWT>`` signed with EdDSA (RFC
8037) by an issuer that the Department trusts.
"""

import contextvars
import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import jwt

from services.common.config import ConfigError
from services.common.errors import Forbidden, Unauthenticated

CLIENT_URI = "urn:hoso:"
AUDIENCE = "hoso"
MAX_LIFETIME_S = 12 * 3600
KNOWN_TOKENS = 20_000
"""Size of the cache of verified tokens, about 6 MiB; the oldest is evicted first."""


@dataclass(frozen=True)
class Caller:
    """Who makes the present call.

    client: name from the certificate, such as ``vendor/smas``.
    person: id of the acting person, None when the client acts for itself.
    school: code of the school the person's token is good for, None without a person.
    """

    client: str
    person: str | None = None
    school: str | None = None


@dataclass(frozen=True)
class Access:
    """Which clients may call an RPC (shell patterns such as ``vendor/*``), and whether a person
    must act.
    """

    clients: tuple[str, ...]
    person: bool = False


SYSTEM = Caller(client="system")
"""The service itself, acting on an event."""

_current: contextvars.ContextVar[Caller] = contextvars.ContextVar("caller")
_verifier: contextvars.ContextVar["TokenVerifier"] = contextvars.ContextVar("verifier")


def caller() -> Caller:
    """The caller of the RPC that this thread is serving. Raises LookupError outside of an RPC."""
    return _current.get()


def acting(who: Caller) -> contextvars.Token[Caller]:
    """Set the caller of this thread; used by the gRPC server for each call and by tests of use
    cases.
    """
    return _current.set(who)


def verifying(verifier: "TokenVerifier") -> None:
    """Set the verifier of `bearing` in this thread; used by the gRPC server for each call."""
    _verifier.set(verifier)


def bearing(token: str) -> Caller:
    """The calling client, acting for the person of this token instead of the call's own.

    For streams whose messages belong to several persons. Raises as TokenVerifier.verify.
    """
    person_id, school = _verifier.get().verify(token)
    return Caller(client=_current.get().client, person=person_id, school=school)


def person(school: str) -> str:
    """The acting person, who must hold a token for `school`.

    Raises Unauthenticated PERSON_REQUIRED without a token, Forbidden WRONG_SCHOOL when the token is
    for another school.
    """
    who = caller()
    if who.person is None:
        raise Unauthenticated("PERSON_REQUIRED", "Cần mã xác thực của người thực hiện (authorization: Bearer …).")
    if who.school != school:
        raise Forbidden("WRONG_SCHOOL", "Người thực hiện không thuộc trường này.", school=school)
    return who.person


def may_read(school: str) -> None:
    """Operators and services read every school; any other client needs a person of that school.

    Raises Unauthenticated PERSON_REQUIRED, Forbidden WRONG_SCHOOL.
    """
    if not caller().client.startswith(("service/", "operator/")):
        person(school)


def client_of(subject_alternative_names: Iterable[bytes]) -> str:
    """The client name in a peer certificate. Raises Unauthenticated CERTIFICATE_UNNAMED when it has
    none.
    """
    for name in subject_alternative_names:
        text = name.decode("utf-8", "replace")
        if text.startswith(CLIENT_URI):
            return text.removeprefix(CLIENT_URI)
    raise Unauthenticated("CERTIFICATE_UNNAMED", "Chứng thư của máy gọi không có tên urn:hoso:….")


def check_access(rpc: str, client: str, access: Access | None, *, has_person: bool) -> None:
    """Deny by default: raises Forbidden CLIENT_NOT_ALLOWED or Unauthenticated PERSON_REQUIRED."""
    if access is None or not any(fnmatchcase(client, pattern) for pattern in access.clients):
        raise Forbidden("CLIENT_NOT_ALLOWED", "Máy gọi không được phép dùng chức năng này.", client=client, rpc=rpc)
    if access.person and not has_person:
        raise Unauthenticated("PERSON_REQUIRED", "Cần mã xác thực của người thực hiện (authorization: Bearer …).")


class TokenVerifier:
    """Checks person tokens against the issuers in a JSON file: ``{"<iss>": "<PEM of an Ed25519
    public key>"}``.
    """

    def __init__(self, issuers_file: Path) -> None:
        self._known: OrderedDict[bytes, _Verified] = OrderedDict()
        self._lock = threading.Lock()
        try:
            self._keys: dict[str, str] = json.loads(issuers_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as e:
            raise ConfigError(f"issuers_file {issuers_file}: {e}") from e

    def verify(self, token: str) -> tuple[str, str]:
        """The person id and school code in a valid token.

        A valid token is cached by its SHA-256 until it expires, because checking its signature
        costs more than entering a mark; refused tokens are never cached. Issuers' keys are read
        once per process, so a withdrawn key stays valid until the process restarts, cached tokens
        or not. Raises Unauthenticated TOKEN_INVALID or TOKEN_EXPIRED, without naming the failed
        check, so that a forger learns nothing.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        with self._lock:
            known = self._known.get(digest)
        if known is not None and time.time() < known.expires:
            return known.person, known.school
        verified = self._check(token)
        with self._lock:
            self._known.pop(digest, None)
            self._known[digest] = verified
            if len(self._known) > KNOWN_TOKENS:
                self._known.popitem(last=False)
        return verified.person, verified.school

    def _check(self, token: str) -> "_Verified":
        try:
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
            key = self._keys.get(issuer) if isinstance(issuer, str) else None
            if key is None:
                raise jwt.InvalidIssuerError("unknown issuer")
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                options={"require": ["iss", "aud", "sub", "school", "exp", "iat", "jti"]},
            )
        except jwt.ExpiredSignatureError as e:
            raise Unauthenticated("TOKEN_EXPIRED", "Mã xác thực đã hết hạn; hãy đăng nhập lại.") from e
        except jwt.PyJWTError as e:
            raise Unauthenticated("TOKEN_INVALID", "Mã xác thực không hợp lệ.") from e
        subject, school = claims["sub"], claims["school"]
        too_long = claims["exp"] - claims["iat"] > MAX_LIFETIME_S
        if too_long or not (isinstance(subject, str) and isinstance(school, str) and subject and school):
            raise Unauthenticated("TOKEN_INVALID", "Mã xác thực không hợp lệ.")
        return _Verified(subject, school, int(claims["exp"]))


class _Verified(NamedTuple):
    """The claims of a valid token. expires: Unix time in seconds."""

    person: str
    school: str
    expires: int


def issue_token(issuer: str, private_key_pem: str, *, person_id: str, school: str, lifetime_s: int = 3600) -> str:
    """A person token as an issuer makes it after login; for the local stack, the demo and tests."""
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": person_id,
        "school": school,
        "iat": now,
        "exp": now + lifetime_s,
        "jti": f"{person_id}-{time.time_ns()}",
    }
    return jwt.encode(claims, private_key_pem, algorithm="EdDSA")
