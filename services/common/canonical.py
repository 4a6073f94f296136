"""Canonical bytes of a JSON value, and their digest: the same facts give the same bytes everywhere,
for decades.

RFC 8785 (JSON Canonicalization Scheme) allows two things that an official record must not have:
floating-point numbers, whose text depends on rules few readers know, and text that looks equal
without being equal. Both are refused.
"""

import hashlib
import json
import unicodedata
from functools import cache
from typing import Any

from services.common.errors import Invalid, Violation

MAX_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly (RFC 8785 section 3.2.2.3, RFC 7493 section
2.2).
"""

_REFUSED_CATEGORIES = {
    "Cc": ("CONTROL_CHARACTER", "ký tự điều khiển"),
    "Cf": ("FORMAT_CHARACTER", "ký tự định dạng không nhìn thấy"),
    "Zl": ("CONTROL_CHARACTER", "ký tự ngắt dòng"),
    "Zp": ("CONTROL_CHARACTER", "ký tự ngắt đoạn"),
    "Co": ("PRIVATE_USE_CHARACTER", "ký tự riêng của phông chữ cũ (TCVN3, VNI)"),
    "Cs": ("SURROGATE_CHARACTER", "mã thay thế không phải là ký tự"),
    "Cn": ("UNASSIGNED_CHARACTER", "mã chưa được gán ký tự"),
}


def canonical_bytes(value: Any) -> bytes:
    """The RFC 8785 bytes (UTF-8) of a JSON value made of dict, list, tuple, str, int, bool and
    None.

    Raises Invalid with one violation per fault, its `field` the JSON path: floats, other types,
    integers beyond 2**53 - 1, keys that are not printable ASCII, text that is not in normalization
    form C, and invisible, private-use or unassigned characters.
    """
    if not _is_clean(value):
        violations: list[Violation] = []
        _check(value, "", violations)
        # Subclasses of str and int, such as enumerations, fail the quick check and may be good.
        if violations:
            raise Invalid(violations)
    # Without floats and with ASCII keys, the standard library writes the bytes of RFC 8785: the
    # same order of keys and the same escapes, twenty times faster than the reference
    # implementation, with which the tests compare it.
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def sha256(data: bytes) -> str:
    """SHA-256 of `data` in lower-case hexadecimal (64 characters), as digests are written in events
    and on pages.
    """
    return hashlib.sha256(data).hexdigest()


def _is_clean(value: Any) -> bool:
    """Whether `_check` would report nothing; it builds no paths, which are most of that cost."""
    kind = type(value)
    if kind is str:
        return (value.isascii() and value.isprintable()) or _is_clean_text(value)
    if kind is dict:
        for key in value:
            if not (type(key) is str and key.isascii() and key.isprintable()):
                return False
        value, kind = value.values(), list
    if kind is list or kind is tuple:
        for item in value:
            # Most items are marks or null and pass without another call.
            if item is None or (type(item) is str and item.isascii() and item.isprintable()):
                continue
            if not _is_clean(item):
                return False
        return True
    if kind is int:
        return bool(abs(value) <= MAX_INTEGER)
    return value is None or kind is bool


def _is_clean_text(text: str) -> bool:
    return unicodedata.is_normalized("NFC", text) and not any(map(_is_refused, text))


@cache
def _is_refused(char: str) -> bool:
    return unicodedata.category(char) in _REFUSED_CATEGORIES


def _check(value: Any, path: str, violations: list[Violation]) -> None:
    if isinstance(value, str):
        _check_text(value, path, violations)
    elif isinstance(value, dict):
        for key, item in value.items():
            here = f"{path}.{key}" if path else str(key)
            if not (isinstance(key, str) and key.isascii() and key.isprintable()):
                violations.append(Violation(here, "KEY_NOT_ASCII", "Tên trường phải là chuỗi ký tự ASCII in được."))
            _check(item, here, violations)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]", violations)
    elif isinstance(value, float):
        violations.append(
            Violation(path, "FLOAT", f"Số thực {value!r} không được dùng; ghi số thập phân dưới dạng chuỗi.")
        )
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            violations.append(Violation(path, "INTEGER_TOO_LARGE", f"Số nguyên {value} vượt quá giới hạn 2^53 - 1."))
    elif value is not None:
        violations.append(Violation(path, "TYPE", f"Kiểu dữ liệu {type(value).__name__} không có trong JSON."))


def _check_text(text: str, path: str, violations: list[Violation]) -> None:
    if text.isascii() and text.isprintable():
        return
    for char in text:
        refused = _REFUSED_CATEGORIES.get(unicodedata.category(char))
        if refused:
            rule, name = refused
            violations.append(Violation(path, rule, f"Có {name} U+{ord(char):04X}; cần gõ lại bằng bảng mã Unicode."))
            return
    if not unicodedata.is_normalized("NFC", text):
        message = "Chữ có dấu đang ở dạng tổ hợp; cần chuyển sang Unicode dựng sẵn (NFC)."
        violations.append(Violation(path, "NOT_NFC", message))
