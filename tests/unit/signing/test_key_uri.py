"""PKCS#11 URIs: what is read, and what a caller may never supply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import Invalid
from services.signing import key_uri


def test_every_part_is_read() -> None:
    uri = "pkcs11:token=Tr%C6%B0%E1%BB%9Dng%20A;serial=0a1b;object=sign;id=%01%ff;type=private?module-name=softhsm"
    assert key_uri.parse(uri) == key_uri.KeyUri("softhsm", "Trường A", "0a1b", "sign", b"\x01\xff")


@pytest.mark.parametrize(
    ("uri", "rule"),
    [
        ("pkcs12:token=a;object=b?module-name=softhsm", "NOT_A_PKCS11_URI"),
        ("pkcs11:token=a;object=b", "MODULE_NAME_MISSING"),
        ("pkcs11:token=a;object=b?module-name=../evil", "MODULE_NAME_MISSING"),
        ("pkcs11:token=a;object=b?module-name=x&module-path=/tmp/evil.so", "UNKNOWN_ATTRIBUTE"),
        ("pkcs11:token=a;object=b?module-name=x&pin-value=1234", "PIN_IN_URI"),
        ("pkcs11:token=a;object=b?module-name=x&pin-source=file:/etc/pin", "PIN_IN_URI"),
        ("pkcs11:object=b?module-name=x", "TOKEN_MISSING"),
        ("pkcs11:token=a?module-name=x", "KEY_MISSING"),
        ("pkcs11:token=a;token=b;object=c?module-name=x", "REPEATED_ATTRIBUTE"),
        ("pkcs11:token=a;object=b;type=cert?module-name=x", "NOT_A_PRIVATE_KEY"),
    ],
)
def test_an_unacceptable_uri_is_refused(uri: str, rule: str) -> None:
    with pytest.raises(Invalid) as refused:
        key_uri.parse(uri)
    assert [violation.rule for violation in refused.value.violations] == [rule]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (
            "token=The%20Software%20PKCS%2311%20Softtoken;id=%69%95%3E%5C%F4%BD%EC%91;serial=",
            key_uri.KeyUri("m", "The Software PKCS#11 Softtoken", "", "", bytes.fromhex("69953e5cf4bdec91")),
        ),
        (
            "token=My%20token%25%20created%20by%20Joe;id=%01%02%03%Ba%dd%Ca%fe%04%05%06",
            key_uri.KeyUri("m", "My token% created by Joe", "", "", bytes.fromhex("010203baddcafe040506")),
        ),
        (
            "token=A%20name%20with%20a%20substring%20%25%3B;object=my-key",
            key_uri.KeyUri("m", "A name with a substring %;", "", "my-key", b""),
        ),
        (
            "token=Name%20with%20a%20small%20A%20with%20acute:%20%C3%A1;object=my-key;type=private",
            key_uri.KeyUri("m", "Name with a small A with acute: á", "", "my-key", b""),
        ),
    ],
)
def test_values_of_the_rfcs_examples(path: str, key: key_uri.KeyUri) -> None:
    """RFC 7512, section 3: the values of its examples, in URIs that name a private key."""
    assert key_uri.parse(f"pkcs11:{path}?module-name=m") == key


NO_MODULE, NO_TOKEN, NO_KEY = "MODULE_NAME_MISSING", "TOKEN_MISSING", "KEY_MISSING"


@pytest.mark.parametrize(
    ("uri", "rules"),
    [
        ("pkcs11:", {NO_MODULE, NO_TOKEN, NO_KEY}),
        ("pkcs11:object=my-pubkey;type=public", {NO_MODULE, NO_TOKEN, "NOT_A_PRIVATE_KEY"}),
        ("pkcs11:object=my-key;type=private?pin-source=file:/etc/token", {NO_MODULE, NO_TOKEN, "PIN_IN_URI"}),
        (
            "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;"
            "object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial=?pin-source=file:/etc/token_pin",
            {NO_MODULE, "UNKNOWN_ATTRIBUTE", "NOT_A_PRIVATE_KEY", "PIN_IN_URI"},
        ),
        ("pkcs11:object=my-sign-key;type=private?module-name=mypkcs11", {NO_TOKEN}),
        (
            "pkcs11:object=my-sign-key;type=private?module-path=/mnt/libmypkcs11.so.1",
            {NO_MODULE, NO_TOKEN, "UNKNOWN_ATTRIBUTE"},
        ),
        (
            "pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc.?pin-value=the-pin",
            {NO_MODULE, NO_KEY, "UNKNOWN_ATTRIBUTE", "PIN_IN_URI"},
        ),
        ("pkcs11:slot-description=Sun%20Metaslot", {NO_MODULE, NO_TOKEN, NO_KEY, "UNKNOWN_ATTRIBUTE"}),
        (
            "pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;library-description=Soft%20Token%20Library;"
            "library-version=1.23",
            {NO_MODULE, NO_TOKEN, NO_KEY, "UNKNOWN_ATTRIBUTE"},
        ),
        (
            "pkcs11:token=My%20token%25%20created%20by%20Joe;library-version=3;id=%01%02%03%Ba%dd%Ca%fe%04%05%06",
            {NO_MODULE, "UNKNOWN_ATTRIBUTE"},
        ),
        (
            "pkcs11:token=A%20name%20with%20a%20substring%20%25%3B;object=my-certificate;type=cert",
            {NO_MODULE, "NOT_A_PRIVATE_KEY"},
        ),
        (
            "pkcs11:token=Name%20with%20a%20small%20A%20with%20acute:%20%C3%A1;object=my-certificate;type=cert",
            {NO_MODULE, "NOT_A_PRIVATE_KEY"},
        ),
        (
            "pkcs11:token=my-token;object=my-certificate;type=cert;vendor-aaa=value-a"
            "?pin-source=file:/etc/token_pin&vendor-bbb=value-b",
            {NO_MODULE, "UNKNOWN_ATTRIBUTE", "NOT_A_PRIVATE_KEY", "PIN_IN_URI"},
        ),
    ],
)
def test_the_rfcs_examples_as_they_stand(uri: str, rules: set[str]) -> None:
    """RFC 7512, section 3: none names a private key, its token and its module alone."""
    with pytest.raises(Invalid) as refused:
        key_uri.parse(uri)
    assert {violation.rule for violation in refused.value.violations} == rules


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for uri in (text, f"pkcs11:{text}"):
        try:
            key = key_uri.parse(uri)
        except Invalid as e:
            assert e.violations
        else:
            assert key.module
            assert key.token
