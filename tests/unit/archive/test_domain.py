"""Retention terms, the register's chain, content addresses and the account's policy."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.archive import domain
from services.archive.access import own_policy
from services.archive.domain import Bounds, Kind, Link, Policy, Record
from services.archive.worm import content_key, whole_seconds
from services.common.errors import Invalid

POLICY = Policy(Kind.CLASS_BOOK, 1, 20, True, "TT 08/2025/TT-BGDĐT")
RECORD = Record(
    id=UUID(int=1),
    kind=Kind.CLASS_BOOK,
    school="79000123",
    school_year="2025-2026",
    source="b",
    version=1,
    content_sha256=bytes(32),
    object_sha256=bytes(32),
    size_bytes=1,
    bucket="hoso-records",
    key="k",
    version_id="v",
    retain_until=datetime(2047, 1, 1, tzinfo=UTC),
    archive_time=datetime(2026, 6, 1, tzinfo=UTC),
    policy_version=1,
)


def _link(sequence: int = 2, previous: bytes = b"p" * 32, record: Record = RECORD) -> Link:
    return Link(sequence, previous, domain.row_hash(record, sequence, previous))


@pytest.mark.parametrize(
    ("archived", "until"),
    [
        (datetime(2026, 6, 1, tzinfo=UTC), datetime(2046, 12, 31, 17, tzinfo=UTC)),
        # Half past midnight of New Year in Vietnam, still the old year in UTC.
        (datetime(2026, 12, 31, 17, 30, tzinfo=UTC), datetime(2047, 12, 31, 17, tzinfo=UTC)),
    ],
)
def test_term_ends_with_the_civil_year_in_vietnam(archived: datetime, until: datetime) -> None:
    assert domain.retain_until(POLICY, archived) == until


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
    st.timedeltas(timedelta(0), timedelta(days=60)),
    st.integers(1, 70),
)
def test_term_is_never_short_and_never_goes_back(archived: datetime, later: timedelta, years: int) -> None:
    policy = dataclasses.replace(POLICY, years=years)
    until = domain.retain_until(policy, archived)
    assert timedelta(days=365 * years) <= until - archived <= timedelta(days=366 * (years + 1))
    assert domain.retain_until(policy, archived + later) >= until


def test_row_in_its_place_has_no_problem() -> None:
    link = _link()
    assert domain.chain_problem(RECORD, link, link.previous_hash, link.hash) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"id": UUID(int=2)},
        {"kind": Kind.SNAPSHOT},
        {"school": "79000124"},
        {"school_year": "2024-2025"},
        {"source": "c"},
        {"version": 2},
        {"content_sha256": b"1" * 32},
        {"object_sha256": b"1" * 32},
        {"size_bytes": 2},
        {"bucket": "other"},
        {"key": "other"},
        {"version_id": "other"},
        {"retain_until": datetime(2046, 1, 1, tzinfo=UTC)},
        {"archive_time": datetime(2026, 6, 2, tzinfo=UTC)},
        {"policy_version": 2},
    ],
)
def test_any_changed_field_is_found(change: dict[str, object]) -> None:
    link = _link()
    changed = dataclasses.replace(RECORD, **change)  # type: ignore[arg-type]
    assert domain.chain_problem(changed, link, link.previous_hash, link.hash) == "the row was changed"
    assert len(RECORD.__dataclass_fields__) == 15


def test_moved_or_cut_off_rows_are_found() -> None:
    link = _link()
    assert domain.chain_problem(RECORD, dataclasses.replace(link, sequence=3), link.previous_hash, link.hash)
    assert domain.chain_problem(RECORD, link, None, link.hash)
    assert domain.chain_problem(RECORD, link, b"q" * 32, link.hash)
    assert domain.chain_problem(RECORD, link, link.previous_hash, None)
    assert domain.chain_problem(RECORD, link, link.previous_hash, b"q" * 32)


@pytest.mark.parametrize(("years", "fine"), [(19, False), (20, True), (70, True), (71, False), (700, False)])
def test_terms_have_bounds(years: int, fine: bool) -> None:
    policy = dataclasses.replace(POLICY, years=years)
    if fine:
        domain.check_policy(policy, Bounds(20, 70))
    else:
        with pytest.raises(Invalid):
            domain.check_policy(policy, Bounds(20, 70))


def test_content_address() -> None:
    assert content_key(bytes(range(32))).startswith("records/sha256/00/01/000102030405")
    with pytest.raises(ValueError, match="32 raw bytes"):
        content_key(b"00" * 32)


def test_retention_time_must_be_aware() -> None:
    hanoi = datetime.fromisoformat("2046-12-31T23:59:59.999+07:00")
    assert whole_seconds(hanoi) == datetime(2046, 12, 31, 16, 59, 59, tzinfo=UTC)
    with pytest.raises(ValueError, match="aware"):
        whole_seconds(datetime(2046, 12, 31))  # noqa: DTZ001


def test_own_account_may_not_delete_bypass_or_reconfigure() -> None:
    actions = {a for s in json.loads(own_policy(["b"]))["Statement"] for a in s["Action"]}
    forbidden = ("Delete", "Bypass", "*", "PutBucket", "PutLifecycle", "CreateBucket", "ReplicateObject")
    assert not [a for a in actions for word in forbidden if word in a]
