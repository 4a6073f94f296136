"""The digest of an act of entry: version 2 as RFC 8785 has it, version 1 as it stands in old audit
rows.
"""

import hashlib
import uuid
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.gradebook.model import acts
from services.gradebook.model.acts import CellArrays, EntryAct
from services.gradebook.model.entry_kinds import EntryKind

ACT = EntryAct(
    uuid.UUID("6f1c2b6e-2f0e-4a39-9c0a-0d6f2f3c9a11"),
    bytes(32),
    EntryKind.MARKS,
    3,
    5,
    1,
    "gv-001",
    "vendor/smas",
    "Điều 7: học sinh “vắng” không lí do",
)
INTEGERS = st.lists(st.integers(0, 2**31 - 1), max_size=5)
VALUES = st.lists(st.none() | st.integers(0, 202), max_size=5)


def array(values: list[int] | list[int | None]) -> str:
    return acts.json_array([-1 if value is None else value for value in values]).replace("-1", "null")


def by_the_standard(act: EntryAct, cells: dict[str, Any], rows: dict[str, Any]) -> str:
    fields = {
        "request_id": str(act.request_id),
        "kind": int(act.kind),
        "class_id": act.class_id,
        "subject_id": act.subject_id,
        "semester": act.semester,
        "person": act.person,
        "client": act.client,
        "reason": act.reason,
    }
    return hashlib.sha256(rfc8785.dumps({**fields, "cells": cells, "rows": rows})).hexdigest()


@given(INTEGERS, INTEGERS, INTEGERS, VALUES, st.sampled_from(EntryKind), st.none() | st.integers(1, 9))
def test_version_2_is_of_the_bytes_of_rfc_8785(
    students: list[int], columns: list[int], versions: list[int], vals: list[int | None], kind: int, subject: int | None
) -> None:
    act = EntryAct(ACT.request_id, bytes(32), kind, 3, subject, None, ACT.person, ACT.client, ACT.reason)
    cells = {"students": students, "columns": columns, "versions": versions, "vals": vals}
    rows = {"remark": [{"student_id": 7, "remark": "Tiến bộ “rõ”.", "period": 1, "subject_id": None}]}
    arrays = CellArrays(array(students), array(columns), array(versions), array(vals))
    assert acts.act_sha256(act, arrays, rows) == by_the_standard(act, cells, rows)
    assert acts.act_sha256(act, arrays) == by_the_standard(act, cells, {})


def test_an_act_and_its_request_are_in_the_digest_by_every_field() -> None:
    digests = {acts.act_sha256(ACT)}
    for name, value in {
        "request_id": uuid.uuid4(),
        "kind": EntryKind.SETTLEMENT,
        "class_id": 4,
        "subject_id": None,
        "semester": 2,
        "person": "gv-002",
        "client": "vendor/vnedu",
        "reason": "",
    }.items():
        fields = {field: getattr(ACT, field) for field in EntryAct.__slots__}
        digests.add(acts.act_sha256(EntryAct(**{**fields, name: value})))
    assert len(digests) == 9


def test_the_digest_of_a_student_who_moved_is_of_the_list_of_digests() -> None:
    digests = [acts.act_sha256(ACT), hashlib.sha256(b"x").hexdigest()]
    assert acts.acts_sha256(digests) == hashlib.sha256(rfc8785.dumps(digests)).hexdigest()


# The expected values were computed by the functions that wrote audit rows of version 1.


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (
            ([7, 9, 12], [10, 10, 1], [1, 2, 3], [85, None, 200]),
            "71cc734a01f63990e6136185451d045be2dc7ae8870eefba31829823a8361489",
        ),
        (([], [], [], []), "e22addbc75489d107e8ef9db74cf21e5e3785d70ef7c1ecd92f2c15c5630eb52"),
    ],
)
def test_version_1_of_cells(cells: Any, expected: str) -> None:
    assert acts.cells_sha256_1(*cells) == expected


def test_version_1_of_attendance() -> None:
    sheets = [(9, 2, [31], []), (7, 1, [], [12, 31]), (12, 1, [], [])]
    expected = "cead319feb3d838ef28bdae66c8f03a71def2739f467ec4f5d591417f5a18d68"
    assert acts.attendance_sha256_1("2025-10", sheets) == expected


def test_version_1_of_remarks_and_achievements() -> None:
    texts = [(12, 1, "Tích cực; “chăm”, it's \\ ổn."), (7, 3, ""), (9, 1, 'Viết "đẹp"')]
    expected = "7e189b92e03ec982047ea261313a3d66b250c94e7e6773663868fadc9780ebc7"
    assert acts.texts_sha256_1(texts) == expected


def test_version_1_of_a_student_who_moved() -> None:
    cells = acts.cells_sha256_1([7, 9, 12], [10, 10, 1], [1, 2, 3], [85, None, 200])
    expected = "e33b04f8926ddb95d9a3849f95ed529b6f4396eb903e44ef3583aa25e79bca2f"
    assert acts.acts_sha256_1([cells, hashlib.sha256(b"x").hexdigest()]) == expected
