"""Who may read a school's data outside gradebook, by what gradebook announced."""

import itertools
from collections.abc import Iterator

import pytest
from hoso.gradebook.v1.events_pb2 import SchoolYearServed, StaffChanged, VendorStatusChanged

from services.common import identity, standing
from services.common.db import Database
from services.common.errors import Forbidden
from services.common.identity import Caller
from tests.owning import as_owner
from tests.standing import announced, keep

SCHOOL, YEAR = "79000123", "2025-2026"
TEACHER = Caller("vendor/smas", "gv-1", SCHOOL)


@pytest.fixture
def served(base: Database) -> Iterator[Database]:
    """smas serves the school in a year; gv-1 is staff."""
    with as_owner(base.config) as tx:
        tx.execute("TRUNCATE served_year, vendor_standing, staff_standing")
        keep(tx, announced(SCHOOL, ["gv-1"]))
    outside = identity.acting(TEACHER)
    yield base
    identity._current.reset(outside)


def _answer(base: Database, who: Caller, year: str = "") -> str:
    identity.acting(who)
    try:
        with base.transaction() as tx:
            standing.may_read(tx, SCHOOL, year)
    except Forbidden as e:
        return e.reason
    return "ALLOWED"


def test_staff_reads_through_the_vendor_of_the_school(served: Database) -> None:
    assert _answer(served, TEACHER) == "ALLOWED"
    assert _answer(served, TEACHER, YEAR) == "ALLOWED"
    assert _answer(served, Caller("operator/department")) == "ALLOWED"
    assert _answer(served, Caller("service/signing")) == "ALLOWED"


@pytest.mark.parametrize("client", ["vendor/other", "vendor/", "smas", "vendor/SMAS", "vendor/vendor/smas"])
def test_no_other_client_reads_with_a_token_of_the_school(served: Database, client: str) -> None:
    assert _answer(served, Caller(client, "gv-1", SCHOOL)) == "VENDOR_NOT_AUTHORISED"


@pytest.mark.parametrize("person", ["hs-1", "", "gv-10"])
def test_students_and_invented_persons_read_nothing(served: Database, person: str) -> None:
    assert _answer(served, Caller("vendor/smas", person, SCHOOL)) == "PERSON_UNKNOWN"


def test_nothing_announced_is_nothing_allowed(served: Database) -> None:
    with as_owner(served.config) as tx:
        tx.execute("TRUNCATE served_year, vendor_standing, staff_standing")
    assert _answer(served, TEACHER) == "VENDOR_NOT_AUTHORISED"


def test_a_year_belongs_to_its_vendor_and_a_school_to_those_of_two_years(served: Database) -> None:
    with served.transaction() as tx:
        keep(tx, announced(SCHOOL, [], vendor="next", years=["2026-2027"]))
    following = Caller("vendor/next", "gv-1", SCHOOL)
    assert [_answer(served, who) for who in (TEACHER, following)] == ["ALLOWED", "ALLOWED"]
    assert _answer(served, following, YEAR) == "VENDOR_NOT_AUTHORISED"
    assert _answer(served, TEACHER, "2026-2027") == "VENDOR_NOT_AUTHORISED"
    with served.transaction() as tx:
        keep(tx, announced(SCHOOL, [], vendor="next", years=["2027-2028"]))
    assert _answer(served, TEACHER) == "VENDOR_NOT_AUTHORISED"


def test_a_suspended_vendor_stops_and_goes_on_when_allowed(served: Database) -> None:
    for version, suspended, answer in ((5, True, "VENDOR_SUSPENDED"), (6, False, "ALLOWED")):
        with served.transaction() as tx:
            keep(tx, [VendorStatusChanged(vendor="smas", suspended=suspended, standing_version=version)])
        assert _answer(served, TEACHER) == answer


def test_late_double_and_reordered_events_do_no_harm(served: Database) -> None:
    events = [
        *(VendorStatusChanged(vendor="smas", suspended=s, standing_version=v) for v, s in ((2, True), (3, False))),
        *(
            SchoolYearServed(school=SCHOOL, school_year=YEAR, vendor=name, standing_version=v)
            for v, name in ((2, "other"), (3, "smas"))
        ),
        StaffChanged(school=SCHOOL, person="gv-1", roles=[2], standing_version=3),
        StaffChanged(school=SCHOOL, person="gv-1", roles=[], standing_version=2),
    ]
    for order in itertools.permutations(events):
        with as_owner(served.config) as tx:
            tx.execute("TRUNCATE served_year, vendor_standing, staff_standing")
            keep(tx, [*order, order[0]])
        assert _answer(served, TEACHER) == "ALLOWED", order


def test_a_vendor_lists_the_years_that_it_serves(served: Database) -> None:
    with served.transaction() as tx:
        keep(tx, announced(SCHOOL, [], vendor="next", years=["2026-2027"]))
        assert standing.years_to_read(tx, SCHOOL) == [YEAR]
        identity.acting(Caller("vendor/next", "gv-1", SCHOOL))
        assert standing.years_to_read(tx, SCHOOL) == ["2026-2027"]
        identity.acting(Caller("vendor/other", "gv-1", SCHOOL))
        with pytest.raises(Forbidden):
            standing.years_to_read(tx, SCHOOL)
        identity.acting(Caller("operator/department"))
        assert standing.years_to_read(tx, SCHOOL) is None


def test_a_download_stops_when_its_vendor_is_suspended(served: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = standing.while_allowed(served, SCHOOL, iter([b"1", b"2", b"3"]))
    assert [next(pieces), next(pieces)] == [b"1", b"2"]
    with served.transaction() as tx:
        keep(tx, [VendorStatusChanged(vendor="smas", suspended=True, standing_version=5)])
    monkeypatch.setattr(standing, "ASK_AGAIN_S", 0.0)
    with pytest.raises(Forbidden) as stopped:
        next(pieces)
    assert stopped.value.reason == "VENDOR_SUSPENDED"
