"""The life of a correction: none is approved by one person, undecided again, or unconfirmed."""

from collections.abc import Set

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from services.common.errors import Forbidden, Rejected
from services.gradebook.model.correction_rules import (
    OPEN,
    RULES,
    CorrectionAct,
    CorrectionState,
    Offices,
    Progress,
    confirmers,
    deciders,
    step,
)
from services.gradebook.model.permissions import Actor, Permission

PEOPLE = ("an", "bình", "chi", "dũng", "em")
people = st.sampled_from(PEOPLE)
principals = st.frozensets(people, min_size=1, max_size=2)
vice_principals = st.frozensets(people, max_size=2)


def school(homeroom: str, principals: Set[str], vice_principals: Set[str], requester: str = "") -> Offices:
    return Offices(
        {
            Actor.HOMEROOM_TEACHER: {homeroom},
            Actor.PRINCIPAL: principals,
            Actor.VICE_PRINCIPAL: vice_principals,
            Actor.REQUESTER: {requester},
        }
    )


offices = st.builds(school, people, principals, vice_principals)


class Corrections(RuleBasedStateMachine):
    """Anyone tries anything; a model of who did what says whether it may have worked."""

    @initialize(homeroom=people, principals=principals, vice_principals=vice_principals, requester=people)
    def request(self, homeroom: str, principals: Set[str], vice_principals: Set[str], requester: str) -> None:
        self.homeroom, self.board = homeroom, principals | vice_principals
        self.offices = school(homeroom, principals, vice_principals, requester)
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
            assert person == self.homeroom or before.requester == self.homeroom
            self.progress = Progress(after, before.requester, person)
            return
        if act is CorrectionAct.APPROVE:
            assert before.confirmer is not None
            assert len({before.requester, before.confirmer, person}) >= 2
            assert person in self.board
        self.progress = Progress(after, before.requester, before.confirmer)


TestCorrections = Corrections.TestCase


@given(people, principals, vice_principals, people)
def test_someone_can_always_confirm_and_only_for_the_homeroom_teachers_own_request_another_person(
    homeroom: str, principals: Set[str], vice_principals: Set[str], requester: str
) -> None:
    allowed = confirmers(school(homeroom, principals, vice_principals), requester)
    assert allowed
    assert allowed == {homeroom} or requester == homeroom


@given(principals, vice_principals, people, st.none() | people)
def test_deciders_have_no_part_in_a_correction_while_anyone_else_can(
    principals: Set[str], vice_principals: Set[str], requester: str, confirmer: str | None
) -> None:
    """With nobody of the board left, the principal decides what two people brought forward, and
    nobody decides what one person did alone.
    """
    progress = Progress(CorrectionState.CONFIRMED if confirmer else CorrectionState.REQUESTED, requester, confirmer)
    allowed = deciders(school("", principals, vice_principals), progress, Permission.APPROVE_CORRECTION)
    concerned = {requester, confirmer} - {None}
    assert allowed <= principals | vice_principals
    if (principals | vice_principals) - concerned:
        assert allowed
        assert not allowed & concerned
    else:
        assert allowed == (principals if len(concerned) == 2 else set())


def test_a_usual_school_needs_three_people_and_a_small_one_two() -> None:
    def deciding(offices: Offices, requester: str) -> Set[str]:
        progress = Progress(CorrectionState.CONFIRMED, requester, "gvcn")
        return deciders(offices, progress, Permission.APPROVE_CORRECTION)

    usual = school("gvcn", {"ht"}, {"pht"})
    assert deciding(usual, "gv") == {"ht"}
    assert confirmers(usual, "gvcn") == {"pht"}
    assert deciding(usual, "ht") == {"pht"}
    small = school("gvcn", {"ht"}, set())
    assert confirmers(small, "gvcn") == {"gvcn"}
    assert deciding(small, "gvcn") == {"ht"}
    assert deciding(small, "ht") == {"ht"}
    alone = Progress(CorrectionState.CONFIRMED, "ht", "ht")
    assert not deciders(school("ht", {"ht"}, set()), alone, Permission.APPROVE_CORRECTION)


def test_every_state_is_reached() -> None:
    assert {rule.target for rule in RULES.values()} | {CorrectionState.REQUESTED} == set(CorrectionState)
