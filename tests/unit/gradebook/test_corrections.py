"""The life of a correction: none is approved by one person, undecided again, or unconfirmed."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from services.common.errors import Forbidden, Rejected
from services.gradebook.model.correction_rules import (
    OPEN,
    RULES,
    CorrectionAct,
    CorrectionState,
    Progress,
    confirmers,
    deciders,
    step,
)
from services.gradebook.model.permissions import Offices

PEOPLE = ("an", "bình", "chi", "dũng", "em")
people = st.sampled_from(PEOPLE)
offices = st.builds(
    Offices,
    people,
    st.frozensets(people, min_size=1, max_size=2),
    st.frozensets(people, max_size=2),
)


class Corrections(RuleBasedStateMachine):
    """Anyone tries anything; a model of who did what says whether it may have worked."""

    @initialize(offices=offices, requester=people)
    def request(self, offices: Offices, requester: str) -> None:
        self.offices = offices
        self.progress = Progress(CorrectionState.REQUESTED, requester)

    @rule(act=st.sampled_from(list(CorrectionAct)), person=people)
    def act(self, act: CorrectionAct, person: str) -> None:
        before = self.progress
        try:
            after = step(before, act, person, self.offices)
        except (Forbidden, Rejected):
            return
        assert before.state in OPEN
        assert after > before.state
        if act is CorrectionAct.WITHDRAW:
            assert person == before.requester
        if act is CorrectionAct.CONFIRM:
            assert person == self.offices.homeroom or before.requester == self.offices.homeroom
            self.progress = Progress(after, before.requester, person)
            return
        if act is CorrectionAct.APPROVE:
            assert before.confirmer is not None
            assert len({before.requester, before.confirmer, person}) >= 2
            assert person in self.offices.principals | self.offices.vice_principals
        self.progress = Progress(after, before.requester, before.confirmer)


TestCorrections = Corrections.TestCase


@given(offices, people)
def test_someone_can_always_confirm_and_only_for_the_homeroom_teachers_own_request_another_person(
    offices: Offices, requester: str
) -> None:
    allowed = confirmers(offices, requester)
    assert allowed
    assert allowed == {offices.homeroom} or requester == offices.homeroom


@given(offices, people, st.none() | people)
def test_deciders_have_no_part_in_a_correction_while_anyone_else_can(
    offices: Offices, requester: str, confirmer: str | None
) -> None:
    progress = Progress(CorrectionState.CONFIRMED if confirmer else CorrectionState.REQUESTED, requester, confirmer)
    allowed = deciders(offices, progress)
    concerned = {requester, confirmer} - {None}
    if (offices.principals | offices.vice_principals) - concerned:
        assert allowed
        assert not allowed & concerned
    else:
        assert all(len(concerned | {person}) > 1 for person in allowed)


def test_a_usual_school_needs_three_people_and_a_small_one_two() -> None:
    usual = Offices("gvcn", {"ht"}, {"pht"})
    assert deciders(usual, Progress(CorrectionState.CONFIRMED, "gv", "gvcn")) == {"ht"}
    assert confirmers(usual, "gvcn") == {"pht"}
    assert deciders(usual, Progress(CorrectionState.CONFIRMED, "ht", "gvcn")) == {"pht"}
    small = Offices("gvcn", {"ht"}, set())
    assert confirmers(small, "gvcn") == {"gvcn"}
    assert deciders(small, Progress(CorrectionState.CONFIRMED, "gvcn", "gvcn")) == {"ht"}
    assert deciders(small, Progress(CorrectionState.CONFIRMED, "ht", "gvcn")) == {"ht"}
    assert not deciders(Offices("ht", {"ht"}, set()), Progress(CorrectionState.CONFIRMED, "ht", "ht"))


def test_every_state_is_reached() -> None:
    assert {rule.target for rule in RULES.values()} | {CorrectionState.REQUESTED} == set(CorrectionState)
