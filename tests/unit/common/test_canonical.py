"""Canonical bytes: RFC 8785, and what an official record must not contain."""

import json
from enum import IntEnum, StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.common.canonical import MAX_INTEGER, canonical_bytes, sha256
from services.common.errors import Invalid


class Level(StrEnum):
    GOOD = "GOOD"


class State(IntEnum):
    SEALED = 12


_TEXT = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x1EFF, exclude_categories=("C", "Zl", "Zp", "M")), max_size=20
).map(lambda text: json.loads(json.dumps(text)))
_KEY = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEY, inner, max_size=4),
    max_leaves=20,
)


@given(_VALUE)
def test_same_bytes_as_the_reference_implementation(value: Any) -> None:
    try:
        ours = canonical_bytes(value)
    except Invalid as e:
        assert {v.rule for v in e.violations} == {"NOT_NFC"}
        return
    assert ours == rfc8785.dumps(value)


def test_keys_sorted_and_vietnamese_kept() -> None:
    assert canonical_bytes({"b": ["Đỗ Thị Ễnh", 1], "a": None}) == '{"a":null,"b":["Đỗ Thị Ễnh",1]}'.encode()


def test_escapes_of_quotes_and_backslashes() -> None:
    assert canonical_bytes('a"b\\c/') == b'"a\\"b\\\\c/"'


@pytest.mark.parametrize(
    ("value", "path", "rule"),
    [
        ({"marks": [{"v": 8.3}]}, "marks[0].v", "FLOAT"),
        ({"marks": [float("nan")]}, "marks[0]", "FLOAT"),
        ({"n": 2**53}, "n", "INTEGER_TOO_LARGE"),
        ({"n": b"8"}, "n", "TYPE"),
        ({"name": "Nguye\u0302\u0303n"}, "name", "NOT_NFC"),
        ({"name": "Nguy\ue0a1n"}, "name", "PRIVATE_USE_CHARACTER"),
        ({"name": "An\u200b"}, "name", "FORMAT_CHARACTER"),
        ({"name": "An\u202e"}, "name", "FORMAT_CHARACTER"),
        ({"name": "An\nBình"}, "name", "CONTROL_CHARACTER"),
        ({"name": "An\u2028"}, "name", "CONTROL_CHARACTER"),
        ({"name": "\ud800"}, "name", "SURROGATE_CHARACTER"),
        ({"name": "\u0378"}, "name", "UNASSIGNED_CHARACTER"),
        ({"tên": 1}, "tên", "KEY_NOT_ASCII"),
        ({1: 1}, "1", "KEY_NOT_ASCII"),
    ],
)
def test_refused_with_its_path(value: Any, path: str, rule: str) -> None:
    with pytest.raises(Invalid) as refused:
        canonical_bytes(value)
    assert [(v.field, v.rule) for v in refused.value.violations] == [(path, rule)]


def test_every_fault_is_reported_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        canonical_bytes({"a": 1.5, "b": ["\ue000"], "c": "ok"})
    assert [v.field for v in refused.value.violations] == ["a", "b[0]"]


def test_digest_is_lower_case_hex() -> None:
    assert sha256(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_enumerations_are_the_text_and_numbers_they_stand_for() -> None:
    assert canonical_bytes({"level": Level.GOOD, "state": State.SEALED}) == b'{"level":"GOOD","state":12}'
