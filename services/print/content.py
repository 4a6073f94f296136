"""Frozen content at print's edge: canonical bytes in, a checked record or every fault out.

The formats are in `formats`: the shape of each is a schema in ``docs/formats``, the rules beyond
it are numbered there too and live in `consistency`. Print checks that the document is whole and
consistent with itself; whether marks and levels are right is gradebook's business.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from services.common.canonical import canonical_bytes, sha256
from services.common.errors import Invalid, Violation
from services.print import fonts
from services.print.formats import FORMATS, Format, validator

MAX_VIOLATIONS = 50
"""Violations reported at most; the first ones are enough to find the producer's error."""


@dataclass(frozen=True)
class Content:
    """The checked content of one record.

    raw: the canonical bytes exactly as received, which are attached to the PDF. digest: lower-case
    hex SHA-256 of `raw`. data: the parsed document, read-only.
    """

    format: Format
    raw: bytes
    digest: str
    data: dict[str, Any]

    @property
    def record_name(self) -> str:
        """The name for people and the QR code: ``CLASS_BOOK/79000123/2025-2026/6A1/…/v1``."""
        d = self.data
        parts = (d["record_type"], d["school"]["code"], d["school_year"], self.format.scope(d), d["stage"])
        return "/".join(part for part in parts if part) + f"/v{d['version']}"


def parse(raw: bytes, expected_digest: str | None = None) -> Content:
    """Check `raw` as frozen content of the format that it names, and return it.

    expected_digest: lower-case hex SHA-256 of the content, where it is known. Raises Invalid:
    digest differs (CONTENT_DIGEST), not JSON (CONTENT_JSON), not in canonical form
    (CONTENT_NOT_CANONICAL), of no known format (FORMAT_UNKNOWN), not of its schema (SCHEMA_…),
    inconsistent with itself (see `consistency`), or with a character that no bundled font can print
    (NO_GLYPH).
    """
    digest = sha256(raw)
    if expected_digest is not None and digest != expected_digest:
        _refuse("CONTENT_DIGEST", f"Nội dung có mã băm {digest}, khác với mã băm đã công bố {expected_digest}.")
    try:
        data = json.loads(raw)
    except ValueError as e:
        raise Invalid([Violation("", "CONTENT_JSON", f"Nội dung không phải là JSON: {e}")]) from e
    if canonical_bytes(data) != raw:
        _refuse("CONTENT_NOT_CANONICAL", "Nội dung không ở dạng chuẩn tắc RFC 8785.")
    form = _format(data)
    checks: list[Callable[[Any], Iterator[Violation]]] = [lambda d: _schema_violations(form, d), form.violations]
    if not fonts.can_print(raw.decode()):
        checks.append(fonts.violations)
    for check in checks:
        if violations := _first(check(data)):
            raise Invalid(violations)
    return Content(format=form, raw=raw, digest=digest, data=data)


def _format(data: Any) -> Format:
    name = data.get("format") if isinstance(data, dict) else None
    if not isinstance(name, str) or name not in FORMATS:
        raise Invalid([Violation("format", "FORMAT_UNKNOWN", "Biểu mẫu của nội dung không có trong hệ thống in.")])
    return FORMATS[name]


def _refuse(rule: str, message: str) -> None:
    raise Invalid([Violation("", rule, message)])


def _first(violations: Iterator[Violation]) -> list[Violation]:
    return list(itertools.islice(violations, MAX_VIOLATIONS))


def _schema_violations(form: Format, data: Any) -> Iterator[Violation]:
    for error in validator(form.schema).iter_errors(data):
        keyword = str(error.schema_path[-1])
        rule = "SCHEMA_" + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", keyword).upper()
        yield Violation(_path(error.instance_path), rule, _schema_message(form, keyword, error))


def _path(steps: Sequence[str | int]) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return path.removeprefix(".")


def _schema_message(form: Format, keyword: str, error: jsonschema_rs.ValidationError) -> str:
    """A Vietnamese sentence without the value itself, which may be personal data."""
    kind = error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        return f"Thiếu trường {kind.property}."
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        return f"Có trường không thuộc biểu mẫu: {', '.join(kind.unexpected)}."
    return f"Giá trị không đúng quy cách ({keyword}) của biểu mẫu {form.name}."
