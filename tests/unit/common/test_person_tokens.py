"""Person tokens: whose, for which client and school, until when; cached or not, they are asked for
again.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common import tokens
from services.common.config import ConfigError
from services.common.errors import Unauthenticated
from services.common.tokens import TokenVerifier, read_issuers

ISSUER, CLIENT, SCHOOL = "https://id.example", "vendor/smas", "79000001"


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def public(key: Ed25519PrivateKey) -> str:
    encoded = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded.decode()


def private(key: Ed25519PrivateKey) -> str:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()


Write = Callable[..., None]


@pytest.fixture
def write(key: Ed25519PrivateKey, tmp_path: Path) -> Write:
    """Write the issuers file anew, with the members given."""

    def write(issuer: str = ISSUER, **members: Any) -> None:
        entry = {"keys": [public(key)], "clients": [CLIENT], "schools": [SCHOOL]} | members
        file = tmp_path / "next.json"
        file.write_text(json.dumps({issuer: entry}))
        Path(file).replace(tmp_path / "issuers.json")

    write()
    return write


@pytest.fixture
def verifier(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TokenVerifier:
    monkeypatch.setattr(tokens, "LOOK_S", 0.0)
    return TokenVerifier(tmp_path / "issuers.json")


def token(key: Ed25519PrivateKey, person: str = "gv-01", **options: Any) -> str:
    return tokens.issue(ISSUER, private(key), person=person, **{"client": CLIENT, "school": SCHOOL} | options)


def refused(verifier: TokenVerifier, bearer: str, client: str = CLIENT) -> str:
    with pytest.raises(Unauthenticated) as caught:
        verifier.verify(bearer, client)
    return caught.value.reason


def test_a_token_is_answered_alike_when_it_is_known(verifier: TokenVerifier, key: Ed25519PrivateKey) -> None:
    first, other = token(key), token(key, "gv-02")
    for _ in range(2):
        assert verifier.verify(first, CLIENT) == ("gv-01", SCHOOL)
        assert verifier.verify(other, CLIENT) == ("gv-02", SCHOOL)


def test_a_known_token_expires(
    verifier: TokenVerifier, key: Ed25519PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "LEEWAY_S", 0)
    first = token(key, lifetime_s=2)
    verifier.verify(first, CLIENT)
    time.sleep(2.1)  # a lifetime counts whole seconds
    assert refused(verifier, first) == "TOKEN_EXPIRED"


def test_another_signature_under_known_claims_is_refused_every_time(
    verifier: TokenVerifier, key: Ed25519PrivateKey
) -> None:
    good = token(key)
    verifier.verify(good, CLIENT)
    forged = good.rpartition(".")[0] + "." + token(Ed25519PrivateKey.generate()).rpartition(".")[2]
    for bearer in (forged, forged, good + " "):
        assert refused(verifier, bearer) == "TOKEN_INVALID"


def test_a_token_is_good_for_the_client_that_it_was_issued_for(
    verifier: TokenVerifier, key: Ed25519PrivateKey, write: Write
) -> None:
    write(clients=["vendor/*"])
    bearer = token(key)
    for _ in range(2):
        assert refused(verifier, bearer, "vendor/vietschool") == "TOKEN_OF_ANOTHER_CLIENT"
        assert verifier.verify(bearer, CLIENT) == ("gv-01", SCHOOL)


def test_an_issuer_speaks_for_its_clients_and_schools_alone(verifier: TokenVerifier, key: Ed25519PrivateKey) -> None:
    assert refused(verifier, token(key, client="vendor/vietschool"), "vendor/vietschool") == "TOKEN_OF_ANOTHER_CLIENT"
    assert refused(verifier, token(key, school="79000002")) == "TOKEN_INVALID"


def test_a_token_without_a_client_is_refused(verifier: TokenVerifier, key: Ed25519PrivateKey) -> None:
    claims = jwt.decode(token(key), options={"verify_signature": False})
    for client in (None, "", 7, [CLIENT]):
        old = jwt.encode({**claims, "azp": client}, private(key), algorithm="EdDSA")
        assert refused(verifier, old) == "TOKEN_INVALID"
    del claims["azp"]
    assert refused(verifier, jwt.encode(claims, private(key), algorithm="EdDSA")) == "TOKEN_INVALID"


def test_clocks_may_differ_a_little(verifier: TokenVerifier, key: Ed25519PrivateKey) -> None:
    claims = jwt.decode(token(key), options={"verify_signature": False})

    def shifted(seconds: float) -> str:
        moved = {**claims, "iat": claims["iat"] + seconds, "exp": claims["exp"] + seconds, "jti": f"x{seconds}"}
        return jwt.encode(moved, private(key), algorithm="EdDSA")

    assert verifier.verify(shifted(tokens.LEEWAY_S - 5), CLIENT) == ("gv-01", SCHOOL)
    assert verifier.verify(shifted(-3600 - tokens.LEEWAY_S + 5), CLIENT) == ("gv-01", SCHOOL)
    assert refused(verifier, shifted(tokens.LEEWAY_S + 60)) == "TOKEN_INVALID"
    assert refused(verifier, shifted(-3600 - tokens.LEEWAY_S - 60)) == "TOKEN_EXPIRED"
    assert refused(verifier, token(key, lifetime_s=tokens.MAX_LIFETIME_S + 60)) == "TOKEN_INVALID"


def test_a_token_can_be_revoked_alone_and_with_all_of_its_person(
    verifier: TokenVerifier, key: Ed25519PrivateKey, write: Write
) -> None:
    stolen, other = token(key), token(key, "gv-02")
    for bearer in (stolen, other):
        verifier.verify(bearer, CLIENT)
    write(revoked_tokens=[jwt.decode(stolen, options={"verify_signature": False})["jti"]])
    assert refused(verifier, stolen) == "TOKEN_REVOKED"
    assert verifier.verify(token(key), CLIENT) == ("gv-01", SCHOOL)
    write(revoked_persons={"gv-02": int(time.time()) + 60})
    assert refused(verifier, other) == "TOKEN_REVOKED"
    write(revoked_persons={"gv-02": int(time.time()) - 60})
    assert verifier.verify(other, CLIENT) == ("gv-02", SCHOOL)


def test_a_removed_issuer_and_a_removed_key_stop_at_once(
    verifier: TokenVerifier, key: Ed25519PrivateKey, write: Write
) -> None:
    bearer, new = token(key), Ed25519PrivateKey.generate()
    verifier.verify(bearer, CLIENT)
    write(keys=[public(new), public(key)])
    assert verifier.verify(bearer, CLIENT) == verifier.verify(token(new), CLIENT) == ("gv-01", SCHOOL)
    write(keys=[public(new)])
    assert refused(verifier, bearer) == "TOKEN_INVALID"
    assert verifier.verify(token(new), CLIENT) == ("gv-01", SCHOOL)
    write("https://another.example")
    assert refused(verifier, token(new)) == "TOKEN_INVALID"


def test_a_broken_file_changes_nothing(verifier: TokenVerifier, key: Ed25519PrivateKey, tmp_path: Path) -> None:
    bearer = token(key)
    for text in ("{", "[]", '{"https://id.example": "PEM"}'):
        (tmp_path / "issuers.json").write_text(text)
        assert verifier.verify(bearer, CLIENT) == ("gv-01", SCHOOL)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("-----BEGIN PUBLIC KEY-----", 'write {"keys": '),
        ({"keys": ["x"], "clients": ["vendor/smas"]}, "schools: at least one"),
        ({"keys": [], "clients": ["vendor/smas"], "schools": ["*"]}, "keys: at least one"),
        ({"keys": ["x"], "clients": "vendor/smas", "schools": ["*"]}, "clients: a list"),
        ({"keys": ["x"], "clients": ["a"], "schools": ["*"], "client": []}, "unknown client"),
        ({"keys": ["x"], "clients": ["a"], "schools": ["*"], "revoked_persons": {"a": "b"}}, "revoked_persons"),
    ],
)
def test_a_bad_entry_is_named(tmp_path: Path, entry: Any, words: str) -> None:
    file = tmp_path / "issuers.json"
    file.write_text(json.dumps({ISSUER: entry}))
    with pytest.raises(ConfigError, match=words.replace("{", "[{]")) as caught:
        read_issuers(file)
    assert ISSUER in str(caught.value)


def test_the_number_of_known_tokens_is_bounded(
    verifier: TokenVerifier, key: Ed25519PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "KNOWN_TOKENS", 3)
    for number in range(8):
        verifier.verify(token(key, f"gv-{number}"), CLIENT)
        assert len(verifier._known) <= 3
