"""Output of the command line: tables, JSON, errors that say what to do next, exit codes."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.common.config import ConfigError
from services.common.errors import Forbidden, HosoError, Invalid, Unauthenticated, Unavailable
from services.common.vietnam import VIETNAM

EXIT_NEGATIVE = 1
"""The command worked and the answer is no: a verification failed, a line was bad."""
EXIT_USAGE = 2
EXIT_REFUSED = 3
"""The service refused: bad input or the present state forbids it."""
EXIT_NOT_ALLOWED = 4
EXIT_UNAVAILABLE = 5
"""A service is away; the same command may work later."""


_UNSEEN = {"Cc", "Cf", "Zl", "Zp"}
"""Unicode categories of what acts on a terminal, or turns a line around, without being seen."""


def visible(text: str) -> str:
    """Text from elsewhere, with each character that a terminal would obey shown as "�"."""
    if text.isprintable():
        return text
    return "".join("�" if c not in "\n\t" and unicodedata.category(c) in _UNSEEN else c for c in text)


def styled(*parts: str | tuple[str, str]) -> Text:
    """A line of parts, each plain or with a style: ``styled(("đạt", "green"), f": {name}")``."""
    return Text.assemble(*(visible(part) if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts))


class _Screen(Console):
    """Shows every text as it is: names come from schools and vendors and are never markup."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)


console = _Screen(markup=False, emoji=False)
errors = _Screen(stderr=True, markup=False, emoji=False)


class Output:
    """Where results go; `as_json` is set by the global option --json."""

    as_json = False


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], data: Any) -> None:
    """A table for people, or `data` as JSON for scripts."""
    if Output.as_json:
        show_json(data)
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        # The next command takes the first column: an id on one line can be copied.
        table.add_column(column, overflow="fold", no_wrap=index == 0 and column == "id")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else str(cell) for cell in row))
    console.print(table)


def show_json(data: Any) -> None:
    """`data` (messages, lists, dicts, plain values) as indented JSON."""
    text = json.dumps(plain(data), ensure_ascii=False, indent=2)
    # What `visible` replaces for people stands escaped here: it is within strings only.
    print("".join(json.dumps(c)[1:-1] if c != "\n" and unicodedata.category(c) in _UNSEEN else c for c in text))


def plain(value: Any) -> Any:
    """A value made of JSON types: messages as proto JSON with the proto's field names, digests in
    hexadecimal.
    """
    if isinstance(value, Message):
        data = json_format.MessageToDict(
            value, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        _show_digests(value, data)
        return data
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _show_digests(message: Message, data: dict[str, Any]) -> None:
    """Write digests into `data`, the message as a dict, in hexadecimal, also those of inner
    messages.
    """
    for field, value in message.ListFields():
        if field.name.endswith("sha256") and isinstance(value, bytes):
            data[field.name] = value.hex()
        elif isinstance(value, Message):
            _show_digests(value, data[field.name])
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for item, part in zip(value, data[field.name], strict=True):
                _show_digests(item, part)


def local_time(stamp: Timestamp) -> str:
    """The time in Vietnam (ISO 8601, +07:00; NĐ 30/2020)."""
    return stamp.ToDatetime(UTC).astimezone(VIETNAM).isoformat(timespec="seconds")


def explain(error: HosoError | ConfigError) -> int:
    """Print an error for people (or as JSON) and return the exit code that goes with it."""
    if isinstance(error, ConfigError):
        errors.print(
            styled(("Cấu hình:", "red"), f" {error}\nHãy chạy `make up`, hoặc đặt HOSO_PROFILE."), highlight=False
        )
        return EXIT_USAGE
    violations = error.violations if isinstance(error, Invalid) else ()
    if Output.as_json:
        fields = [{"field": v.field, "rule": v.rule, "message": v.message} for v in violations]
        show_json(
            {"error": {"reason": error.reason, "message": error.message, "facts": error.facts, "violations": fields}}
        )
    else:
        errors.print(styled((error.reason, "red"), f" {error.message}"), highlight=False)
        for violation in violations:
            errors.print(
                styled(f"  {violation.field}: {violation.message} ", (f"({violation.rule})", "dim")), highlight=False
            )
        facts = ", ".join(f"{key}={value}" for key, value in error.facts.items())
        if facts:
            errors.print(styled((f"  {facts}", "dim")), highlight=False)
    if isinstance(error, Forbidden | Unauthenticated):
        return EXIT_NOT_ALLOWED
    if isinstance(error, Unavailable):
        errors.print("Dịch vụ tạm thời không sẵn sàng; hãy thử lại sau, hoặc xem `hoso status`.")
        return EXIT_UNAVAILABLE
    return EXIT_REFUSED
