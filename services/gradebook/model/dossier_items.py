"""The items of a dossier as JSON: how the database keeps them, and their digest."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from services.common.canonical import canonical_bytes
from services.gradebook.model.dossier_rules import DOCUMENTS, Document, Duty, Items


def items_json(items: Items) -> dict[str, Any]:
    """Items as JSON, as the database stores them."""
    return asdict(items)


def items_of(data: Mapping[str, Any]) -> Items:
    """Items from stored JSON."""
    values = dict(data)
    for name in DOCUMENTS:
        values[name] = document_of(values[name])
    for name in ("software", "windows"):
        values[name] = tuple(values[name])
    values["assignment"] = tuple(Duty(**duty) for duty in values["assignment"])
    return Items(**{field.name: values[field.name] for field in fields(Items)})


def document_of(data: Mapping[str, Any] | None) -> Document | None:
    """A document from stored JSON."""
    return None if data is None else Document(**data)


def items_sha256(items: Items) -> bytes:
    """SHA-256 of the canonical form (RFC 8785) of the items."""
    return hashlib.sha256(canonical_bytes(items_json(items))).digest()
