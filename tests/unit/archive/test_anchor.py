"""A statement of audit heads is read back exactly, and everything that is not one is refused with
its reason.
"""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.api_jws import PyJWS

from services.common import anchor
from services.common.anchor import AnchorInvalid, Statement
from services.common.audit import ChainHead
from tests.unit.archive.anchor_keys import AnchorCa

CA = AnchorCa()
OURS = CA.signer("anchor/gradebook")
NOW = datetime.now(UTC)
FIRST = Statement(
    "gradebook", 1, b"", NOW, (ChainHead("access", 3, bytes(32)), ChainHead("school/7900é", 5, b"\1" * 32))
)


def refused(signed: bytes, service: str = "gradebook", trusted: bytes = CA.pem) -> str:
    with pytest.raises(AnchorInvalid) as invalid:
        anchor.read(signed, service, trusted)
    return invalid.value.reason


def signed_payload(payload: bytes) -> bytes:
    """Any payload under our own good signature."""
    header = json.loads(base64.urlsafe_b64decode(anchor.sign(FIRST, OURS).split(b".")[0] + b"=="))
    return PyJWS().encode(payload, OURS.key, algorithm="ES256", headers=header).encode()


def test_a_statement_is_read_as_it_was_signed() -> None:
    signed = anchor.sign(FIRST, OURS)
    assert anchor.read(signed, "gradebook", CA.pem) == FIRST
    second = replace(FIRST, number=2, previous_sha256=anchor.sha256(signed), heads=())
    assert anchor.read(anchor.sign(second, OURS), "gradebook", AnchorCa().pem + CA.pem) == second


def test_a_changed_character_is_refused() -> None:
    signed = anchor.sign(FIRST, OURS)
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place in range(0, len(signed), 3):
        if signed[place] == ord("."):
            continue
        other = alphabet[(alphabet.index(signed[place]) + 32) % 64]
        refused(signed[:place] + bytes([other]) + signed[place + 1 :])


def test_a_signature_by_anyone_else_is_refused() -> None:
    assert refused(anchor.sign(FIRST, AnchorCa().signer("anchor/gradebook"))) == "CERTIFICATE"
    assert refused(anchor.sign(FIRST, CA.signer("anchor/print"))) == "SIGNER_NAME"
    assert refused(anchor.sign(FIRST, CA.signer("service/gradebook"))) == "SIGNER_NAME"
    assert refused(anchor.sign(FIRST, CA.signer("anchor/gradebook", signs=False))) == "CERTIFICATE"
    assert refused(anchor.sign(FIRST, replace(OURS, key=ec.generate_private_key(ec.SECP256R1())))) == "SIGNATURE"
    assert refused(anchor.sign(FIRST, OURS), "print") == "ANOTHER_SERVICE"
    assert refused(anchor.sign(FIRST, OURS), trusted=AnchorCa().pem) == "CERTIFICATE"
    vendors = AnchorCa("vendor")
    assert refused(anchor.sign(FIRST, vendors.signer("anchor/gradebook")), trusted=vendors.pem) == "CERTIFICATE"


def test_a_certificate_counts_in_its_own_time() -> None:
    ended = CA.signer("anchor/gradebook", days=(-400, -30))
    assert refused(anchor.sign(FIRST, ended)) == "CERTIFICATE_EXPIRED"
    then = replace(FIRST, time=NOW - timedelta(days=100))
    assert anchor.read(anchor.sign(then, ended), "gradebook", CA.pem) == then
    assert refused(anchor.sign(replace(FIRST, time=NOW + timedelta(days=9)), OURS)) == "CERTIFICATE_EXPIRED"


def test_a_statement_that_is_not_whole_and_canonical_is_refused() -> None:
    good = anchor._payload(FIRST)
    assert anchor.read(signed_payload(good), "gradebook", CA.pem) == FIRST
    fields = json.loads(good)
    wrong = [
        b"",
        b"[]",
        b"[" * 5000,
        good + b" ",
        good.replace(b'"number":1', b'"number":1.0'),
        good.replace(b'"number":1', b'"number":true'),
        good.replace(b'"number":1', b'"number":0'),
        good.replace(b'"number":1', b'"number":9007199254740993'),
        good.replace(b'"number":1', b'"number":2'),  # without the digest of the first
        good.replace(b"audit-anchor/1", b"audit-anchor/9"),
        json.dumps(fields | {"more": 1}, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(),
        anchor._payload(replace(FIRST, heads=(*FIRST.heads, FIRST.heads[0]))),
        anchor._payload(replace(FIRST, heads=(ChainHead("access", 0, bytes(32)),))),
        anchor._payload(replace(FIRST, heads=(ChainHead("access", 1, bytes(31)),))),
        anchor._payload(replace(FIRST, previous_sha256=bytes(32))),
        good.replace(NOW.isoformat(timespec="microseconds").encode(), b"9999-12-31T23:59:59.999999-23:59"),
    ]
    assert {refused(signed_payload(payload)) for payload in wrong} == {"FORMAT"}


def test_anything_but_a_jws_is_refused() -> None:
    unsigned = PyJWS().encode(anchor._payload(FIRST), None, algorithm="none", headers={"x5c": ["AA=="]}).encode()
    for garbage in (b"", b"\xff\x00", b"a.b.c", b"x" * 5000, unsigned):
        assert refused(garbage) == "FORMAT"


def test_chains_only_grow() -> None:
    earlier = [ChainHead("a", 3, b"\1" * 32), ChainHead("b", 1, b"\2" * 32), ChainHead("c", 2, b"\3" * 32)]
    assert anchor.went_back(earlier, earlier) == []
    assert anchor.went_back(earlier, [*earlier[:2], ChainHead("c", 9, b"\4" * 32), ChainHead("d", 1, b"\5" * 32)]) == []
    assert anchor.went_back(earlier, [ChainHead("a", 2, b"\6" * 32), ChainHead("b", 1, b"\7" * 32)]) == ["a", "b", "c"]
