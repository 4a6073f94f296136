"""Adoption dossiers: completeness item by item, renewal, routes, the deadline's time of day, the
life of a dossier.
"""

import datetime as dt
from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.common.errors import Invalid, Rejected
from services.gradebook.model import control_log_words, correction_rules, dossier_items, dossier_rules, lifecycle
from services.gradebook.model.domain import Authorisation, Role, SchoolLevel, SchoolYear, VendorStatus
from services.gradebook.model.dossier_rules import (
    Document,
    DossierAct,
    DossierState,
    Duty,
    Facts,
    Items,
    PortalLink,
    Route,
    Submission,
    YearSettings,
)

TODAY = dt.date(2026, 9, 15)
DOCUMENT = Document("Kế hoạch ghi điểm", "04/KH-THCS", "2026-08-25", "ab" * 32, 1000, "Văn thư")
WHOLE = Items(
    petition=DOCUMENT,
    software=("smas",),
    portal_link=PortalLink.ON_PORTAL,
    regulation_decision=DOCUMENT,
    regulation=DOCUMENT,
    assignment_decision=DOCUMENT,
    assignment=(Duty("ht", "Chỉ đạo chung"), Duty("cb", "In và lưu sổ")),
    entry_plan=DOCUMENT,
    windows=("HK1", "HK2"),
    assessment_plan=DOCUMENT,
)
STAFF = {"ht": (Role.PRINCIPAL,), "cb": (Role.DATA_OFFICER, Role.TEACHER)}
FACTS = Facts({"smas": True, "vietschool": False}, {"HK1", "HK2", "CN"}, STAFF, None)
BEFORE = Submission("smas", {"ht": [1], "cb": [3, 5]})
RENEWAL = Items(renewal=True, entry_plan=DOCUMENT, windows=("HK1",), assessment_plan=DOCUMENT)
RENEWED = replace(FACTS, previous=BEFORE)


def faults(items: Items, facts: Facts = FACTS) -> set[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        dossier_rules.complete(items, facts)
    return {(v.field.removeprefix("items."), v.rule) for v in caught.value.violations}


def test_a_whole_dossier_is_complete() -> None:
    assert dossier_rules.complete(WHOLE, FACTS) == Submission("smas", {"ht": [1], "cb": [3, 5]})


EMPTY = Items()
ASKED = {
    "petition": {("petition", "ITEM_1_MISSING")},
    "software": {("software", "ITEM_2_MISSING")},
    "portal_link": {("portal_link", "ITEM_2_MISSING")},
    "regulation_decision": {("regulation_decision", "ITEM_3_MISSING")},
    "regulation": {("regulation", "ITEM_3_MISSING")},
    "assignment_decision": {("assignment_decision", "ITEM_4_MISSING")},
    "assignment": {("assignment", "ITEM_4_MISSING")},
    "entry_plan": {("entry_plan", "ITEM_5_MISSING")},
    "windows": {("windows", "ITEM_5_MISSING")},
    "assessment_plan": {("assessment_plan", "ITEM_6_MISSING")},
}


def test_every_item_is_asked_for() -> None:
    assert set(ASKED) == {field.name for field in fields(Items)} - {"renewal"}


@given(st.sets(st.sampled_from(sorted(ASKED)), min_size=1))
def test_exactly_what_is_missing_is_named(names: set[str]) -> None:
    missing = faults(replace(WHOLE, **{name: getattr(EMPTY, name) for name in names}))
    assert missing == set().union(*(ASKED[name] for name in names))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"software": ("smas", "vietschool")}, ("software", "ONE_SOFTWARE")),
        ({"software": ("vietschool",)}, ("software", "SOFTWARE_NOT_APPRAISED")),
        ({"software": ("quangich",)}, ("software", "SOFTWARE_NOT_APPRAISED")),
        ({"assignment": (Duty("cb", "In và lưu sổ"),)}, ("assignment", "SCHOOL_BOARD_REQUIRED")),
        ({"assignment": (Duty("ht", "Chỉ đạo"), Duty("x", "In sổ"))}, ("assignment[1].person", "PERSON_UNKNOWN")),
        ({"windows": ("HK1", "HE")}, ("windows[1]", "WINDOW_UNKNOWN")),
    ],
)
def test_items_that_are_wrong(change: dict[str, object], fault: tuple[str, str]) -> None:
    assert faults(replace(WHOLE, **change)) == {fault}  # type: ignore[arg-type]


def test_a_renewal_needs_items_5_and_6_only() -> None:
    assert dossier_rules.complete(RENEWAL, RENEWED) == BEFORE
    assert dossier_rules.complete(replace(RENEWAL, software=("smas",), assignment=WHOLE.assignment), RENEWED) == BEFORE
    asked = {("entry_plan", "ITEM_5_MISSING"), ("windows", "ITEM_5_MISSING"), ("assessment_plan", "ITEM_6_MISSING")}
    assert faults(Items(renewal=True), RENEWED) == asked


def test_a_renewal_needs_an_approval_of_the_year_before() -> None:
    assert faults(RENEWAL) == {("renewal", "NOT_RENEWABLE")}


@pytest.mark.parametrize(
    "staff",
    [
        {"ht": STAFF["ht"]},
        {"ht": (Role.TEACHER,), "cb": STAFF["cb"]},
        {"ht": (Role.VICE_PRINCIPAL,), "cb": STAFF["cb"]},
        {"ht": STAFF["ht"], "cb": (Role.VICE_PRINCIPAL,)},
    ],
)
def test_a_renewal_needs_unchanged_personnel(staff: dict[str, tuple[int, ...]]) -> None:
    assert faults(RENEWAL, replace(RENEWED, staff=staff)) == {("assignment", "PERSONNEL_CHANGED")}


def test_a_renewal_with_other_people_or_software_needs_the_whole_dossier() -> None:
    fewer = replace(RENEWAL, assignment=(Duty("ht", "Chỉ đạo chung"),))
    assert faults(fewer, RENEWED) == {("assignment", "PERSONNEL_CHANGED")}
    assert faults(replace(RENEWAL, software=("vietschool",)), RENEWED) == {("software", "SOFTWARE_CHANGED")}
    suspended = replace(RENEWED, appraised={"smas": False})
    assert faults(RENEWAL, suspended) == {("software", "SOFTWARE_NOT_APPRAISED")}


def test_the_deadline_has_a_time_of_day_in_vietnam() -> None:
    """16:00 on 20/9 in Vietnam is 09:00 UTC; that instant is in time, a second later is not."""
    deadline = dt.datetime(2026, 9, 20, 16, 0, tzinfo=dossier_rules.VIETNAM)
    assert deadline == dt.datetime(2026, 9, 20, 9, 0, tzinfo=dt.UTC)
    assert not dossier_rules.is_late(dt.datetime(2026, 9, 20, 8, 59, 59, tzinfo=dt.UTC), deadline)
    assert not dossier_rules.is_late(dt.datetime(2026, 9, 20, 9, 0, 0, tzinfo=dt.UTC), deadline)
    assert dossier_rules.is_late(dt.datetime(2026, 9, 20, 9, 0, 1, tzinfo=dt.UTC), deadline)
    assert dossier_rules.is_late(dt.datetime(2026, 9, 20, 16, 0, 0, tzinfo=dt.UTC), deadline)
    assert dossier_rules.local(deadline.astimezone(dt.UTC)) == "2026-09-20T16:00:00+07:00"


@pytest.mark.parametrize(
    ("level", "direct", "route"),
    [
        (SchoolLevel.UPPER_SECONDARY, (), Route.DIRECT),
        (SchoolLevel.MULTI_LEVEL, (), Route.DIRECT),
        (SchoolLevel.LOWER_SECONDARY, (), Route.LIST),
        (SchoolLevel.LOWER_SECONDARY, ("79000001",), Route.DIRECT),
    ],
)
def test_routes(level: int, direct: tuple[str, ...], route: Route) -> None:
    assert dossier_rules.route(level, "79000001", direct) is route


@pytest.mark.parametrize(
    ("status", "first", "last", "usable"),
    [
        (VendorStatus.APPRAISED, TODAY, None, True),
        (VendorStatus.APPRAISED, TODAY, TODAY, True),
        (VendorStatus.APPRAISED, TODAY + dt.timedelta(1), None, False),
        (VendorStatus.APPRAISED, dt.date(2025, 1, 1), TODAY - dt.timedelta(1), False),
        (VendorStatus.REGISTERED, TODAY, None, False),
        (VendorStatus.REFUSED, TODAY, None, False),
        (VendorStatus.SUSPENDED, TODAY, None, False),
        (VendorStatus.REGISTERED, None, None, False),
    ],
)
def test_which_software_may_be_named(status: int, first: dt.date | None, last: dt.date | None, *, usable: bool) -> None:
    assert dossier_rules.usable(status, first, last, TODAY) is usable


@pytest.mark.parametrize(
    ("change", "rule_"),
    [
        ({"title": "KH"}, "LENGTH"),
        ({"number": ""}, "LENGTH"),
        ({"issued_on": "2026-09-16"}, "DATE"),
        ({"issued_on": "2026-02-30"}, "DATE"),
        ({"sha256": "ab"}, "DIGEST"),
        ({"size_bytes": 0}, "OUT_OF_RANGE"),
        ({"kept_at": ""}, "LENGTH"),
    ],
)
def test_documents(change: dict[str, object], rule_: str) -> None:
    wrong = replace(DOCUMENT, **change)  # type: ignore[arg-type]
    with pytest.raises(Invalid) as caught:
        dossier_rules.check_items(replace(WHOLE, petition=wrong), TODAY)
    assert [v.rule for v in caught.value.violations] == [rule_]
    assert caught.value.violations[0].field.startswith("items.petition.")


def test_items_go_through_the_database_and_keep_their_digest() -> None:
    for items in (WHOLE, RENEWAL, EMPTY):
        assert dossier_items.items_of(dossier_items.items_json(items)) == items
    assert len({dossier_items.items_sha256(items) for items in (WHOLE, RENEWAL, EMPTY)}) == 3


NOW = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)
EARLIER = dt.datetime(2026, 8, 1, tzinfo=dt.UTC)
BY_DOSSIER, BY_DEPARTMENT = Authorisation.DOSSIER, Authorisation.BY_DEPARTMENT


def year_settings(
    vendor: str, kind: int, since: dt.datetime | None, approved: str, *, suspended: bool = False
) -> YearSettings:
    return YearSettings(SchoolYear("2026-2027", vendor, False, kind, "", since), suspended, approved)


@pytest.mark.parametrize(
    ("wanted", "before", "kind", "since"),
    [
        (0, None, BY_DOSSIER, None),
        (BY_DOSSIER, None, BY_DOSSIER, None),
        (BY_DEPARTMENT, None, BY_DEPARTMENT, NOW),
        (0, year_settings("smas", BY_DEPARTMENT, EARLIER, ""), BY_DEPARTMENT, EARLIER),
        (BY_DOSSIER, year_settings("smas", BY_DEPARTMENT, EARLIER, ""), BY_DOSSIER, None),
        (BY_DOSSIER, year_settings("smas", BY_DEPARTMENT, EARLIER, "smas"), BY_DOSSIER, EARLIER),
        (0, year_settings("smas", BY_DOSSIER, EARLIER, "smas"), BY_DOSSIER, EARLIER),
        (0, year_settings("vietschool", BY_DOSSIER, EARLIER, "vietschool", suspended=True), BY_DOSSIER, None),
        (0, year_settings("vietschool", BY_DOSSIER, None, "vietschool"), BY_DOSSIER, None),
        (BY_DEPARTMENT, year_settings("vietschool", BY_DOSSIER, None, "vietschool"), BY_DEPARTMENT, NOW),
    ],
)
def test_what_a_year_becomes_when_it_is_put(
    wanted: int, before: YearSettings | None, kind: int, since: dt.datetime | None
) -> None:
    year = SchoolYear("2026-2027", "smas", True, wanted)
    authorised = dossier_rules.authorised_year(year, before, NOW)
    assert (authorised.vendor, authorised.authorisation, authorised.authorised_time) == ("smas", kind, since)


def test_the_vendor_of_an_approved_dossier_stays() -> None:
    year = SchoolYear("2026-2027", "smas", True, BY_DOSSIER)
    with pytest.raises(Rejected, match="một phần mềm"):
        dossier_rules.authorised_year(year, year_settings("vietschool", BY_DOSSIER, EARLIER, "vietschool"), NOW)


def test_the_control_log_has_words_for_every_act_on_books_and_corrections() -> None:
    books = {f"BOOK_{act.value}" for act in lifecycle.BookAct if act is not lifecycle.BookAct.FREEZE}
    fixed = {f"CORRECTION_{state.name}" for state in correction_rules.CorrectionState}
    assert books | fixed | {"BOOK_FROZEN"} <= set(control_log_words.TITLES)
    assert control_log_words.title("SOMETHING_NEW") == "SOMETHING_NEW"


class Lives(RuleBasedStateMachine):
    """Versions of one dossier under any order of acts, held against what the letters demand."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: list[list[DossierState]] = []
        self.authorised = False
        self.deadline = NOW
        self.now = EARLIER

    @property
    def state(self) -> DossierState | None:
        return self.versions[-1][-1] if self.versions else None

    @rule(past=st.booleans())
    def time_or_deadline_moves(self, past: bool) -> None:
        self.now = self.deadline + dt.timedelta(seconds=1 if past else 0)

    @rule()
    def save(self) -> None:
        newest = (len(self.versions), self.versions[-1][-1]) if self.versions else None
        over = self.state is DossierState.REJECTED or (self.state is DossierState.APPROVED and not self.authorised)
        allowed = self.state in (None, DossierState.DRAFT) or (over and self.now <= self.deadline)
        try:
            version = dossier_rules.draft_version(
                newest, authorised=self.authorised, deadline=self.deadline, now=self.now
            )
        except Rejected:
            assert not allowed
            return
        assert allowed
        if version > len(self.versions):
            self.versions.append([DossierState.DRAFT])
        assert version == len(self.versions)

    @precondition(lambda self: self.versions)
    @rule(act=st.sampled_from([DossierAct.SUBMIT, DossierAct.START_REVIEW, DossierAct.APPROVE, DossierAct.REJECT]))
    def acts(self, act: DossierAct) -> None:
        assert self.state is not None
        try:
            after = dossier_rules.step(self.state, act)
        except Rejected:
            assert self.state not in dossier_rules.RULES[act][0]
            return
        if act is DossierAct.SUBMIT and dossier_rules.is_late(self.now, self.deadline):
            after = DossierState.REJECTED
        self.versions[-1].append(after)
        self.authorised = self.authorised or after is DossierState.APPROVED

    @precondition(lambda self: self.authorised)
    @rule()
    def the_vendor_is_exchanged(self) -> None:
        self.authorised = False

    @invariant()
    def only_reviewed_dossiers_are_approved_and_ends_are_ends(self) -> None:
        for version in self.versions:
            for state in version[:-1]:
                assert state not in (DossierState.APPROVED, DossierState.REJECTED)
            if version[-1] is DossierState.APPROVED:
                assert version == [
                    DossierState.DRAFT, DossierState.SUBMITTED, DossierState.UNDER_REVIEW, DossierState.APPROVED
                ]  # fmt: skip
        assert all(version[-1] in (DossierState.APPROVED, DossierState.REJECTED) for version in self.versions[:-1])


TestLives = Lives.TestCase
TestLives.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
