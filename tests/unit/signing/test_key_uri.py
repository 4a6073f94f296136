"""PKCS#11 URIs: what is read, and what a caller may never bring in."""

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
def test_what_is_refused(uri: str, rule: str) -> None:
    with pytest.raises(Invalid) as refused:
        key_uri.parse(uri)
    assert [violation.rule for violation in refused.value.violations] == [rule]


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for uri in (text, f"pkcs11:{text}"):
        try:
            found = key_uri.parse(uri)
        except Invalid as e:
            assert e.violations
        else:
            assert found.module
            assert found.token
