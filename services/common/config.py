"""Configuration: one TOML file per process, read into one frozen dataclass.

A process with unknown or missing keys does not start. The file holds no secret: a field whose name
ends in ``_file`` holds the path of a file with the secret, readable by its owner only.
"""

import dataclasses
import stat
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class ConfigError(Exception):
    """The configuration cannot be used. The message names every wrong key and what to do."""


def load(cls: type[T], path: Path) -> T:
    """Read the TOML file at `path` into the frozen dataclass `cls`.

    Nested tables become nested dataclasses. Raises ConfigError naming every unknown, missing or
    mistyped key.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise ConfigError(f"{path}: no such file; pass --config or set HOSO_CONFIG") from e
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{path}: {e}") from e
    problems: list[str] = []
    value = _build(cls, data, "", problems)
    if problems:
        raise ConfigError(f"{path}: " + "; ".join(problems))
    return typing.cast(T, value)


def read_secret(path: Path) -> str:
    """The secret in the file at `path`, without its final newline.

    Raises ConfigError when others than the owner may read the file.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except OSError as e:
        raise ConfigError(f"secret file {path}: {e.strerror}") from e
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"secret file {path} is readable by others; run: chmod 600 {path}")
    return text.rstrip("\n")


def _build(cls: Any, data: dict[str, Any], prefix: str, problems: list[str]) -> Any:
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in data.keys() - fields.keys():
        problems.append(f"unknown key {prefix}{key}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _convert(hints[name], data[name], f"{prefix}{name}", problems)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            problems.append(f"missing key {prefix}{name}")
    return None if problems else cls(**values)


def _convert(hint: Any, value: Any, name: str, problems: list[str]) -> Any:  # noqa: PLR0911 - one line per kind of value
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
        origin = typing.get_origin(hint)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return _build(hint, value, f"{name}.", problems)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if origin is tuple and isinstance(value, list):
        inner = typing.get_args(hint)[0]
        return tuple(_convert(inner, v, f"{name}[{i}]", problems) for i, v in enumerate(value))
    if origin is dict and isinstance(value, dict):
        inner = typing.get_args(hint)[1]
        return {k: _convert(inner, v, f"{name}.{k}", problems) for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    problems.append(f"{name}: expected {getattr(hint, '__name__', hint)}, found {type(value).__name__}")
    return None


def read_roots(path: Path) -> bytes:
    """The trusted CA certificates as PEM. Raises ConfigError when there is none."""
    try:
        pem = path.read_bytes()
    except OSError as e:
        raise ConfigError(f"trust_roots_file {path}: {e.strerror}") from e
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        raise ConfigError(f"trust_roots_file {path} holds no certificate in PEM form")
    return pem
