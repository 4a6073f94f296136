"""Refusals are on record, and no caller can fill the trail with them."""

import hashlib
from collections.abc import Iterator

import pytest

from services.common import audit
from services.common.db import Database
from services.common.errors import Forbidden
from services.common.identity import Caller
from services.common.refusals import KINDS_PER_CLIENT, MAX_FACT, OTHERS, PERIOD_S, Refusals

VENDOR = Caller("vendor/smas", "gv-1", "79000001")
RPC = "/hoso.x.v1.X/Do"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refusals(base: Database, clock: Clock) -> Iterator[Refusals]:
    yield Refusals(base, clock=clock)
    with base.transaction() as tx:
        assert audit.verify(tx) == []


def rows(base: Database, first: int) -> list[tuple[str, str, str, dict[str, str]]]:
    with base.transaction() as tx:
        return tx.execute(
            "SELECT action, subject, client, facts FROM audit_entry WHERE chain = 'access' ORDER BY sequence OFFSET %s",
            (first,),
        ).fetchall()


def denied(reason: str = "WRONG_SCHOOL", **facts: object) -> Forbidden:
    return Forbidden(reason, "Không được.", **facts)


def test_equal_refusals_leave_two_rows_per_minute(base: Database, refusals: Refusals, clock: Clock) -> None:
    before = len(rows(base, 0))
    for _ in range(500):
        refusals(VENDOR, RPC, denied(school="1"))
    assert [(row[0], row[3]) for row in rows(base, before)] == [("REFUSED", {"reason": "WRONG_SCHOOL", "school": "1"})]
    clock.now += PERIOD_S + 1
    refusals.flush()
    assert rows(base, before)[1:] == [
        ("REFUSED_AGAIN", RPC, VENDOR.client, {"reason": "WRONG_SCHOOL", "times": "499"}),
    ]
    refusals(VENDOR, RPC, denied())
    assert [row[0] for row in rows(base, before)] == ["REFUSED", "REFUSED_AGAIN", "REFUSED"]


def test_the_next_refusal_writes_what_the_last_minute_counted(base: Database, refusals: Refusals, clock: Clock) -> None:
    before = len(rows(base, 0))
    for _ in range(3):
        refusals(VENDOR, RPC, denied())
    clock.now += PERIOD_S + 1
    refusals(Caller("vendor/other"), RPC, denied())
    assert [(row[0], row[2]) for row in rows(base, before)] == [
        ("REFUSED", "vendor/smas"),
        ("REFUSED_AGAIN", "vendor/smas"),
        ("REFUSED", "vendor/other"),
    ]


def test_whoever_varies_refusals_gets_a_bounded_number_of_rows(
    base: Database, refusals: Refusals, clock: Clock
) -> None:
    before = len(rows(base, 0))
    for number in range(300):
        refusals(Caller("vendor/smas", f"gv-{number}", "1"), RPC, denied())
    refusals(Caller("vendor/other"), RPC, denied())
    clock.now += PERIOD_S + 1
    refusals.flush()
    written = rows(base, before)
    assert len([row for row in written if row[2] == "vendor/smas"]) == KINDS_PER_CLIENT + 2
    others = [row[3] for row in written if row[3]["reason"] == OTHERS]
    assert others == [{"reason": OTHERS}, {"reason": OTHERS, "times": str(300 - KINDS_PER_CLIENT - 1)}]
    assert [row[0] for row in written if row[2] == "vendor/other"] == ["REFUSED"]


def test_a_fact_keeps_what_a_person_needs_of_it(base: Database, refusals: Refusals) -> None:
    before = len(rows(base, 0))
    refusals(VENDOR, RPC, denied(school="7" * 4_000_000))
    ((_, _, _, facts),) = rows(base, before)
    assert facts["school"] == "7" * MAX_FACT


def test_no_fact_of_any_row_is_long(base: Database) -> None:
    long = "Điểm " * 100_000
    with base.transaction() as tx:
        audit.append(tx, audit.AuditRow("bounded", "X", "x", {"text": long, "short": "Điểm"}, VENDOR))
        facts = tx.execute("SELECT facts FROM audit_entry WHERE chain = 'bounded'").fetchone()
        assert audit.verify(tx) == []
    assert facts is not None
    assert facts[0]["short"] == "Điểm"
    assert len(facts[0]["text"]) < audit.MAX_FACT
    assert facts[0]["text"].startswith("Điểm Điểm")
    assert facts[0]["text"].endswith("sha256:" + hashlib.sha256(long.encode()).hexdigest())
