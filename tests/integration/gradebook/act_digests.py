"""The digests of acts, recomputed from the database with nothing of ours: SQL, JSON and SHA-256.

This follows docs/formats/entry-act.md as a stranger would.
"""

import hashlib
import json
from collections import Counter
from typing import Any

from services.common.db import Tx

_NOT_OF_THE_ACT = {
    "attendance": [],
    "achievement": [],
    "remark": [],
    "practical_exemption": ["id", "request_sha256", "person", "client", "recorded_time"],
    "correction": ["request_sha256", "number", "state", "voided_books"],
}


def digest_2(tx: Tx, request_id: str) -> str:
    """Version 2, of the act with a request id."""
    entry = _json(tx, "SELECT to_jsonb(e) FROM entry e WHERE request_id = %s", request_id)[0]
    rows = {}
    for table, left_out in _NOT_OF_THE_ACT.items():
        written = _json(
            tx,
            f"SELECT to_jsonb(r) - 'request_id' FROM {table} r WHERE request_id = %s ORDER BY student_id",
            request_id,
        )
        if written:
            rows[table] = [{name: row[name] for name in row if name not in left_out} for row in written]
    for row in rows.get("correction", []):
        row["evidence_sha256"] = row["evidence_sha256"] and row["evidence_sha256"].removeprefix("\\x")
    names = ("request_id", "kind", "class_id", "subject_id", "semester", "person", "client", "reason")
    return _sha256(
        {
            **{name: entry[name] for name in names},
            "cells": {name: entry[name] for name in ("students", "columns", "versions", "vals")},
            "rows": rows,
        }
    )


def moved_digest_2(tx: Tx, acts: str) -> str:
    """Version 2 of the digest of a student who moved. acts: the fact of that name."""
    return _sha256([digest_2(tx, request_id) for request_id in acts.split(",") if request_id])


def check_audit(tx: Tx) -> dict[str, int]:
    """How many audit rows of version 2 there are by action; fails when the digest of one is not
    that of its act.
    """
    compared = compare_audit(tx)
    assert [(action, facts) for action, facts, fits in compared if not fits] == []
    return Counter(action for action, _, _ in compared)


def compare_audit(tx: Tx) -> list[tuple[str, dict[str, Any], bool]]:
    """Action, facts, and whether the digest among them is that of the act, of the audit rows of
    version 2.
    """
    compared = []
    for action, subject, facts in tx.execute(
        "SELECT action, subject, facts FROM audit_entry WHERE facts->>'digest_version' = '2'"
    ).fetchall():
        (digest,) = (
            value
            for name, value in facts.items()
            if name in {f"{what}_sha256" for what in ("cells", "remarks", "achievements", "exemption", "correction")}
        )
        if action == "STUDENT_MOVED":
            expected = moved_digest_2(tx, facts["acts"])
        elif action == "CORRECTION_APPROVED":
            expected = digest_2(tx, subject.removeprefix("corrections/"))
        else:
            expected = digest_2(tx, facts["request"])
        compared.append((action, facts, digest == expected))
    return compared


def _json(tx: Tx, statement: str, request_id: str) -> list[Any]:
    return [value for (value,) in tx.execute(statement.encode(), (request_id,))]


def _sha256(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
