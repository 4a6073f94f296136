"""The check of a request's size against a naive one, and what it costs."""

import time
from typing import Any

import pytest
from google.protobuf.message import Message
from hoso.gradebook.v1 import dossiers_pb2, marks_pb2, roster_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.common import limits
from services.common.errors import Invalid, Violation
from tests.contract.descriptors import request_messages


def broken(message: Message) -> list[tuple[str, str]]:
    try:
        limits.check(message)
    except Invalid as e:
        return [(violation.field, violation.rule) for violation in e.violations]
    return []


def naive(message: Any, path: str = "") -> list[tuple[str, str]]:
    """The same, written the plain way over everything that is set."""
    faults = []
    for field, value in message.ListFields():
        known = {limit.name: limit for limit in limits.limits_of(message.DESCRIPTOR)}.get(field.name)
        where = f"{path}{field.name}"
        items = [(f"{where}[{i}]", item) for i, item in enumerate(value)] if field.is_repeated else [(where, value)]
        if field.is_repeated and known and len(items) > known.items:
            faults.append((where, "MAX_ITEMS"))
            continue
        for place, item in items:
            if field.message_type is not None:
                faults += naive(item, f"{place}.")
            elif isinstance(item, str) and known:
                faults += [(place, "MAX_LENGTH")] * (len(item) > known.characters)
            elif isinstance(item, bytes) and known and len(item) > known.bytes:
                faults.append((place, "MAX_BYTES"))
    return faults


texts = st.one_of(st.text(max_size=5), st.sampled_from(["a" * 100, "ậ" * 101, "a" * 5000, "a\0b"]))


@given(students=st.lists(texts, max_size=8), values=st.lists(texts, max_size=30), subject=texts, rows=st.integers(0, 3))
def test_it_finds_what_a_naive_check_finds(students: list[str], values: list[str], subject: str, rows: int) -> None:
    request = marks_pb2.EnterMarksRequest(
        subject=subject,
        rows=[marks_pb2.MarkRow(student=student, values=values) for student in students] * rows,
        columns=[marks_pb2.MarkColumn()] * len(values),
    )
    assert broken(request) == naive(request)[: limits.REPORTED]


@pytest.mark.parametrize("message", request_messages(), ids=lambda message: message.full_name)
def test_each_limit_is_exact(message: Any) -> None:
    for limit in limits.limits_of(message):
        if limit.message is not None and not limit.repeated:
            continue
        for over, rule in ((0, []), (1, [limit.name])):
            request = message._concrete_class()
            if limit.repeated:
                field = getattr(request, limit.name)
                for _ in range(limit.items + over):
                    field.add() if limit.message else field.append(_small(message.fields_by_name[limit.name]))
                assert broken(request) == [(name, "MAX_ITEMS") for name in rule]
            elif limit.characters:
                setattr(request, limit.name, "ệ" * (limit.characters + over))
                assert broken(request) == [(name, "MAX_LENGTH") for name in rule]
            else:
                setattr(request, limit.name, bytes(limit.bytes + over))
                assert broken(request) == [(name, "MAX_BYTES") for name in rule]


def _small(field: Any) -> Any:
    return {field.CPPTYPE_STRING: b"" if field.type == field.TYPE_BYTES else "", field.CPPTYPE_INT32: 1}.get(
        field.cpp_type, 0
    )


def test_nested_fields_are_named_by_their_rows() -> None:
    students = [roster_pb2.Student(), roster_pb2.Student(father=roster_pb2.Guardian(email="a" * 500))]
    assert broken(roster_pb2.PutStudentsRequest(students=students)) == [("students[1].father.email", "MAX_LENGTH")]
    request = dossiers_pb2.SaveDossierRequest()
    request.items.windows.extend(["HK1", "a" * 200])
    assert broken(request) == [("items.windows[1]", "MAX_LENGTH")]


def test_violations_are_few_however_many_there_are() -> None:
    rows = [marks_pb2.MarkRow(student="a" * 200)] * 1000
    with pytest.raises(Invalid) as caught:
        limits.check(marks_pb2.EnterMarksRequest(rows=rows))
    assert len(caught.value.violations) == limits.REPORTED
    assert caught.value.violations[0] == Violation("rows[0].student", "MAX_LENGTH", "Dài quá 100 ký tự.")


def test_millions_of_empty_rows_cost_their_parsing_alone() -> None:
    flood = marks_pb2.EnterMarksRequest.FromString(b"\x32\x00" * 2_000_000)
    (name,) = [name for name, field in flood.DESCRIPTOR.fields_by_name.items() if field.number == 6]
    began = time.process_time()
    assert broken(flood) == [(name, "MAX_ITEMS")]
    assert time.process_time() - began < 0.05
