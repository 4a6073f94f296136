"""Person tokens that are known: never beyond their expiry, never a refused one, never more than a
bounded number.
"""

import json
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common import identity
from services.common.errors import Unauthenticated
from services.common.identity import TokenVerifier

ISSUER = "https://id.example"


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def verifier(key: Ed25519PrivateKey, tmp_path: Path) -> TokenVerifier:
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    file = tmp_path / "issuers.json"
    file.write_text(json.dumps({ISSUER: public.decode()}))
    return TokenVerifier(file)


def token(key: Ed25519PrivateKey, person: str = "gv-01", lifetime_s: int = 60) -> str:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return identity.issue_token(ISSUER, pem.decode(), person_id=person, school="79000001", lifetime_s=lifetime_s)


def test_a_token_is_answered_alike_when_it_is_known(verifier: TokenVerifier, key: Ed25519PrivateKey) -> None:
    first, other = token(key), token(key, "gv-02")
    for _ in range(2):
        assert verifier.verify(first) == ("gv-01", "79000001")
        assert verifier.verify(other) == ("gv-02", "79000001")


def test_a_known_token_expires(verifier: TokenVerifier, key: Ed25519PrivateKey) -> None:
    first = token(key, lifetime_s=2)
    verifier.verify(first)
    time.sleep(2.1)  # a lifetime counts whole seconds
    with pytest.raises(Unauthenticated) as caught:
        verifier.verify(first)
    assert caught.value.reason == "TOKEN_EXPIRED"


def test_another_signature_under_known_claims_is_refused_every_time(
    verifier: TokenVerifier, key: Ed25519PrivateKey
) -> None:
    good = token(key)
    verifier.verify(good)
    forged = good.rpartition(".")[0] + "." + token(Ed25519PrivateKey.generate()).rpartition(".")[2]
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            verifier.verify(forged)
    with pytest.raises(Unauthenticated):
        verifier.verify(good + " ")


def test_the_number_of_known_tokens_is_bounded(
    verifier: TokenVerifier, key: Ed25519PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "KNOWN_TOKENS", 3)
    for number in range(8):
        verifier.verify(token(key, f"gv-{number}"))
        assert len(verifier._known) <= 3
