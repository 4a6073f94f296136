"""Person tokens: JWTs signed with EdDSA (RFC 8037) by an issuer that the Department trusts, each
for the clients and schools that the issuer may speak for, and each for the one client that
carries it.

The issuers stand in a JSON file, which every service reads again when it has changed::

    {"https://id.smas.example": {
        "keys": ["<PEM of an Ed25519 public key>", ...],
        "clients": ["vendor/smas"],
        "schools": ["79*"],
        "revoked_tokens": ["<jti>", ...],
        "revoked_persons": {"<person id>": <Unix time; tokens issued before it are void>}}}

``clients`` and ``schools`` are shell patterns; the last two members may be absent.
"""

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jwt

from services.common import log
from services.common.config import ConfigError
from services.common.errors import Unauthenticated
from services.common.patterns import matches

AUDIENCE = "hoso"
MAX_LIFETIME_S = 12 * 3600
LEEWAY_S = 30
"""How far the issuer's clock may be from ours."""
KNOWN_TOKENS = 20_000
"""Size of the cache of verified tokens, about 6 MiB; the oldest is evicted first."""
LOOK_S = 1.0
"""How often the issuers file is looked at."""
_REQUIRED = ["iss", "aud", "sub", "school", "azp", "exp", "iat", "jti"]

_log = log.get(__name__)


@dataclass(frozen=True)
class Issuer:
    """What the issuers file says of one issuer; see the head of this file."""

    keys: tuple[str, ...]
    clients: tuple[str, ...]
    schools: tuple[str, ...]
    revoked_tokens: frozenset[str]
    revoked_persons: Mapping[str, int]


class _Verified(NamedTuple):
    """The claims of a token whose signature is valid. issued, expires: Unix time in seconds."""

    issuer: str
    id: str
    client: str
    person: str
    school: str
    issued: int
    expires: int


def read_issuers(file: Path) -> dict[str, Issuer]:
    """The trusted issuers by ``iss``. Raises ConfigError, which names issuer and member."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise ConfigError(f"issuers_file {file}: {e}") from e
    if not isinstance(raw, dict):
        raise ConfigError(f"issuers_file {file}: an object of issuers is expected")
    return {name: _issuer(f"issuers_file {file}: {name}", entry) for name, entry in raw.items()}


def _issuer(where: str, entry: Any) -> Issuer:
    if not isinstance(entry, dict):
        raise ConfigError(f'{where}: write {{"keys": [PEM], "clients": ["vendor/…"], "schools": ["…"]}}')
    unknown = entry.keys() - {"keys", "clients", "schools", "revoked_tokens", "revoked_persons"}
    if unknown:
        raise ConfigError(f"{where}: unknown {', '.join(sorted(unknown))}")
    lists = {name: entry.get(name, []) for name in ("keys", "clients", "schools", "revoked_tokens")}
    for name, value in lists.items():
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{where}.{name}: a list of texts is expected")
        if not value and name != "revoked_tokens":
            raise ConfigError(f"{where}.{name}: at least one is needed")
    persons = entry.get("revoked_persons", {})
    if not isinstance(persons, dict) or not all(isinstance(moment, int) for moment in persons.values()):
        raise ConfigError(f"{where}.revoked_persons: person ids and Unix times are expected")
    return Issuer(
        tuple(lists["keys"]),
        tuple(lists["clients"]),
        tuple(lists["schools"]),
        frozenset(lists["revoked_tokens"]),
        persons,
    )


class TokenVerifier:
    """Checks person tokens. Threads share it.

    A token whose signature was valid is cached by its SHA-256 until it expires, because that check
    costs more than entering a mark; whether it is still good, and for this client, is asked each
    time.
    """

    def __init__(self, issuers_file: Path) -> None:
        """Raises ConfigError."""
        self._file = issuers_file
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, _Verified] = OrderedDict()
        self._seen = self._look()
        self._issuers = read_issuers(issuers_file)
        self._look_again = time.monotonic() + LOOK_S

    def verify(self, token: str, client: str) -> tuple[str, str]:
        """The person id and school code in a valid token that `client` carries.

        Raises Unauthenticated TOKEN_INVALID, without naming the failed check, so that a forger
        learns nothing; TOKEN_EXPIRED; TOKEN_OF_ANOTHER_CLIENT; TOKEN_REVOKED.
        """
        self._refresh()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        with self._lock:
            known = self._known.get(digest)
        verified = known or self._check(token)
        self._admit(verified, client)
        if known is None:
            with self._lock:
                self._known[digest] = verified
                if len(self._known) > KNOWN_TOKENS:
                    self._known.popitem(last=False)
        return verified.person, verified.school

    def _admit(self, token: _Verified, client: str) -> None:
        issuer = self._issuers.get(token.issuer)
        if issuer is None or not matches(token.school, issuer.schools):
            raise _invalid()
        if time.time() >= token.expires + LEEWAY_S:
            raise _expired()
        if token.client != client or not matches(client, issuer.clients):
            raise Unauthenticated("TOKEN_OF_ANOTHER_CLIENT", "Mã xác thực này được cấp cho một phần mềm khác.")
        if token.id in issuer.revoked_tokens or token.issued < issuer.revoked_persons.get(token.person, 0):
            raise Unauthenticated("TOKEN_REVOKED", "Mã xác thực đã bị thu hồi; hãy đăng nhập lại.")

    def _check(self, token: str) -> _Verified:
        try:
            name = jwt.decode(token, options={"verify_signature": False}).get("iss")
            issuer = self._issuers.get(name) if isinstance(name, str) else None
            if issuer is None:
                raise _invalid()
            claims = _claims(token, issuer.keys)
        except jwt.ExpiredSignatureError as e:
            raise _expired() from e
        except jwt.PyJWTError as e:
            raise _invalid() from e
        texts = [claims[claim] for claim in ("iss", "jti", "azp", "sub", "school")]
        if claims["exp"] - claims["iat"] > MAX_LIFETIME_S or not all(isinstance(t, str) and t for t in texts):
            raise _invalid()
        issuer_name, token_id, client, person, school = texts
        return _Verified(
            issuer_name, token_id, client, person, school, issued=int(claims["iat"]), expires=int(claims["exp"])
        )

    def _refresh(self) -> None:
        """Read the issuers again when their file has changed. A file that cannot be used changes
        nothing: whoever may write it can trust another issuer, and an error must not stop a city.
        """
        now = time.monotonic()
        if now < self._look_again:
            return
        self._look_again = now + LOOK_S
        try:
            seen = self._look()
            if seen == self._seen:
                return
            self._issuers = read_issuers(self._file)
        except (ConfigError, OSError) as e:
            _log.error("issuers file unusable; the issuers read before stay trusted", error=str(e))
            return
        with self._lock:
            self._known.clear()
        self._seen = seen
        _log.info("issuers read again", issuers=len(self._issuers))

    def _look(self) -> tuple[int, int, int]:
        try:
            state = self._file.stat()
        except OSError as e:
            raise ConfigError(f"issuers_file {self._file}: {e}") from e
        return state.st_mtime_ns, state.st_size, state.st_ino


def _claims(token: str, keys: tuple[str, ...]) -> dict[str, Any]:
    """The claims under the first key that made the signature; an issuer that changes keys has
    several. Raises jwt.PyJWTError.
    """
    for key in keys[:-1]:
        try:
            return _decoded(token, key)
        except jwt.InvalidSignatureError:
            continue
    return _decoded(token, keys[-1])


def _decoded(token: str, key: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=["EdDSA"], audience=AUDIENCE, leeway=LEEWAY_S, options={"require": _REQUIRED}
    )
    return claims


def _invalid() -> Unauthenticated:
    return Unauthenticated("TOKEN_INVALID", "Mã xác thực không hợp lệ.")


def _expired() -> Unauthenticated:
    return Unauthenticated("TOKEN_EXPIRED", "Mã xác thực đã hết hạn; hãy đăng nhập lại.")


def issue(issuer: str, private_key_pem: str, *, client: str, person: str, school: str, lifetime_s: int = 3600) -> str:
    """A person token as an issuer makes it after login; for the local stack, the demo and tests.

    client: who will carry it, such as ``vendor/smas``.
    """
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "azp": client,
        "sub": person,
        "school": school,
        "iat": now,
        "exp": now + lifetime_s,
        "jti": f"{person}-{time.time_ns()}",
    }
    return jwt.encode(claims, private_key_pem, algorithm="EdDSA")
