"""Whose turn it is, and what a signature makes of a document."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import Rejected
from services.signing import domain
from services.signing.domain import Required


def required(*ranks: int) -> list[Required]:
    return [Required(f"sig-{i:02d}", i, rank, "ROLE", f"p{i}") for i, rank in enumerate(ranks, 1)]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_any_order_within_the_ranks_ends_sealed(ranks: list[int], random: object) -> None:
    """Whoever goes first among those whose turn it is: ranks never mix, SIGNED comes once, the seal
    is last.
    """
    left = required(*ranks, 4)
    done: list[int] = []
    states = []
    while turn := domain.due(left):
        assert {signature.rank for signature in turn} == {
            min(signature.rank for signature in left if signature.state == "PENDING")
        }
        chosen = random.choice(turn)  # type: ignore[attr-defined]
        states.append(domain.state_after(left, chosen))
        left = [replace(signature, state="SIGNED") if signature == chosen else signature for signature in left]
        done.append(chosen.rank)
    assert done == sorted(done)
    assert states == ["SIGNING"] * (len(ranks) - 1) + ["SIGNED", "SEALED"]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=12))
def test_without_a_seal_the_last_person_closes_the_document(ranks: list[int]) -> None:
    left = required(*ranks)
    states = []
    while turn := domain.due(left):
        states.append(domain.state_after(left, turn[0]))
        assert bool(domain.left_after(left, turn[0])) is (states[-1] == "SIGNING")
        left = [replace(signature, state="SIGNED") if signature == turn[0] else signature for signature in left]
    assert states == ["SIGNING"] * (len(ranks) - 1) + ["SIGNED"]


def test_a_cancelled_signature_is_nobodys_turn() -> None:
    assert domain.due([replace(signature, state="CANCELLED") for signature in required(1, 2, 4)]) == []


def test_a_certificate_counts_only_while_in_force() -> None:
    start, end = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2029, 1, 1, tzinfo=dt.UTC)
    second = dt.timedelta(seconds=1)
    for now in (start, end):
        domain.check_validity(start, end, now)
    for now in (start - second, end + second):
        with pytest.raises(Rejected, match="hiệu lực"):
            domain.check_validity(start, end, now)
