"""Calling every function of a store: arguments are made from the annotations of its parameters.

So a new function needs no line here, and a renamed or reordered one neither. What the rows of the
filled database are called is given by the name of the parameter or field, or "Class.field".
"""

import dataclasses
import datetime as dt
import enum
import inspect
import types
import typing
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Union

Values = Mapping[str, Any]
SOME_UUID = uuid.UUID(int=7)
SOME_TIME = dt.datetime(2025, 10, 1, tzinfo=dt.UTC)


def store_functions(module: types.ModuleType) -> Iterator[Callable[..., Any]]:
    """The module's own functions whose first parameter is a transaction."""
    for name, function in vars(module).items():
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
            first = next(iter(inspect.signature(function).parameters), "")
            if first == "tx":
                yield function


def arguments(function: Callable[..., Any], values: Values, *, optional: bool) -> tuple[list[Any], dict[str, Any]]:
    """Arguments for all parameters but the first. optional: give those that may be left out or None."""
    hints = typing.get_type_hints(function)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.default is not parameter.empty and not optional:
            continue
        value = example(hints[parameter.name], parameter.name, values, optional=optional)
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[parameter.name] = value
        else:
            positional.append(value)
    return positional, named


def example(kind: Any, name: str, values: Values, *, optional: bool) -> Any:
    """A value of an annotated type, for a parameter or field of that name."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in {Union, types.UnionType}:
        if name in values and values[name] is None:
            return None
        rest = [choice for choice in inner if choice is not type(None)]
        if len(rest) < len(inner) and not optional:
            return None
        return example(rest[0], name, values, optional=optional)
    if name in values and _fits(values[name], origin or kind):
        return values[name]
    if origin in {Collection, Sequence, list, set, frozenset}:
        return [example(inner[0], name.removesuffix("s"), values, optional=optional)]
    if origin is tuple:
        listed = inner[:1] if inner[-1] is Ellipsis else inner
        return tuple(example(part, name, values, optional=optional) for part in listed)
    if origin in {Mapping, dict}:
        key, value = inner
        return {
            example(key, name, values, optional=optional): example(value, f"{name}.value", values, optional=optional)
        }
    return _single(kind, name, values, optional=optional)


def _fits(value: Any, kind: Any) -> bool:
    if kind in {Any, object} or getattr(kind, "_is_protocol", False):
        return True
    return isinstance(kind, type) and isinstance(value, kind)


def _single(kind: Any, name: str, values: Values, *, optional: bool) -> Any:
    plain: dict[Any, Any] = {
        int: 1,
        str: "x",
        bytes: bytes(32),
        bool: optional,
        float: 1.0,
        uuid.UUID: SOME_UUID,
        dt.datetime: SOME_TIME,
        dt.date: SOME_TIME.date(),
        dict: {},
        object: 1,
        Any: "x",
    }
    if kind in plain:
        return plain[kind]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind))
    if isinstance(kind, type) and (hasattr(kind, "_fields") or dataclasses.is_dataclass(kind)):
        hints = typing.get_type_hints(kind)
        fields = kind._fields if hasattr(kind, "_fields") else [field.name for field in dataclasses.fields(kind)]
        own = {name.partition(".")[2]: value for name, value in values.items() if name.startswith(f"{kind.__name__}.")}
        return kind(**{field: example(hints[field], field, {**values, **own}, optional=optional) for field in fields})
    raise TypeError(f"no example of {kind} for {name}")
