"""The life of a book: the table itself, and that no path of acts breaks the order of acts."""

import itertools
from dataclasses import replace

import pytest
from hoso.gradebook.v1 import books_pb2, class_book_pb2, common_pb2, corrections_pb2
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.common.errors import Forbidden, Rejected
from services.gradebook.model import attendance_rules, catalogue, correction_rules, domain
from services.gradebook.model.catalogue import RecordBook, record_books
from services.gradebook.model.domain import SchoolLevel
from services.gradebook.model.lifecycle import ENDED, READ_ONLY, RULES, BookAct, BookState, Life, rules, step
from services.gradebook.model.permissions import Actor

ACTS = [act for act in BookAct if act is not BookAct.FREEZE]
RECORDS = record_books("2025-2026", SchoolLevel.LOWER_SECONDARY)


class Lives(RuleBasedStateMachine):
    """Anyone tries anything, in any order; what succeeds is remembered."""

    @initialize(paper=st.booleans(), record=st.sampled_from(RECORDS))
    def freeze(self, paper: bool, record: RecordBook) -> None:
        self.life = Life(BookState.DATA_COMPLETE, sealed=record.sealed, paper_track_required=paper)
        self.path = [BookState.DATA_COMPLETE]
        self.confirmed: set[Actor] = set()

    @rule(act=st.sampled_from(ACTS), actors=st.sets(st.sampled_from(list(Actor)), max_size=3))
    def attempt(self, act: BookAct, actors: set[Actor]) -> None:
        before = self.life
        try:
            self.life = step(before, act, actors)
        except (Forbidden, Rejected):
            assert self.life == before
            return
        assert actors & RULES[act].actors
        if act is BookAct.CONFIRM:
            self.confirmed |= actors & {Actor.OFFICER, Actor.PREPARER}
        if self.life.state is not before.state:
            self.path.append(self.life.state)

    @rule(problem=st.booleans())
    def trouble(self, problem: bool) -> None:
        self.life = replace(self.life, has_problem=problem)

    @rule(data=st.data())
    def plausible(self, data: st.DataObject) -> None:
        """Mostly a possible next act by a permitted actor, so that long paths are reached."""
        possible = [
            act
            for act, act_rule in rules(sealed=self.life.sealed).items()
            if self.life.state in act_rule.sources and act not in (BookAct.REVOKE, BookAct.REPORT_MISMATCH)
        ]
        if possible:
            act = data.draw(st.sampled_from(possible))
            self.attempt(act, {data.draw(st.sampled_from(sorted(RULES[act].actors, key=lambda actor: actor.name)))})

    @invariant()
    def order_of_acts(self) -> None:
        visited = self.path
        assert len(set(visited)) == len(visited), "no state is entered twice"
        if BookState.DIGITAL_SIGNING in visited:
            assert BookState.RECONCILED in visited
            assert self.confirmed == {Actor.OFFICER, Actor.PREPARER}
            if self.life.paper_track_required:
                assert visited.index(BookState.PAPER_ARCHIVED) < visited.index(BookState.DIGITAL_SIGNING)
        sealed = self.life.sealed
        if BookState.PAPER_ARCHIVED in visited:
            assert self.life.paper_track_required
        if not sealed:
            assert not {BookState.STAMPED, BookState.SEALED} & set(visited)
        for later, earlier in (
            (BookState.RECONCILED, BookState.PRINTED_UNSIGNED),
            (BookState.STAMPED, BookState.HAND_SIGNED),
            (BookState.PAPER_ARCHIVED, BookState.STAMPED if sealed else BookState.HAND_SIGNED),
            (BookState.SIGNED, BookState.DIGITAL_SIGNING),
            (BookState.SEALED, BookState.SIGNED),
            (BookState.LOCKED, BookState.SEALED if sealed else BookState.SIGNED),
            (BookState.ARCHIVED, BookState.LOCKED),
            (BookState.RETURNED, BookState.ARCHIVED),
        ):
            assert later not in visited or visited.index(earlier) < visited.index(later)
        for index, state in enumerate(visited[:-1]):
            assert state not in ENDED
            assert state is not BookState.RETURNED or visited[index + 1] is BookState.REVOKED


Lives.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestLives = Lives.TestCase


def test_the_states_and_words_are_those_of_the_contract() -> None:
    for ours, theirs, prefix in (
        (BookState, books_pb2.BookState, "BOOK_STATE_"),
        (correction_rules.CorrectionState, corrections_pb2.CorrectionState, "CORRECTION_STATE_"),
        (correction_rules.CorrectionKind, corrections_pb2.CorrectionKind, "CORRECTION_KIND_"),
        (domain.Semester, common_pb2.Semester, "SEMESTER_"),
        (domain.Stage, common_pb2.Stage, "STAGE_"),
        (domain.RecordType, common_pb2.RecordType, "RECORD_TYPE_"),
        (catalogue.SignatoryRole, books_pb2.SignatoryRole, "SIGNATORY_ROLE_"),
        (catalogue.Preparer, books_pb2.Preparer, "PREPARER_"),
        (domain.MarkKind, common_pb2.MarkKind, "MARK_KIND_"),
        (domain.Role, common_pb2.Role, "ROLE_"),
        (domain.Sex, common_pb2.Sex, "SEX_"),
        (domain.SchoolLevel, common_pb2.SchoolLevel, "SCHOOL_LEVEL_"),
    ):
        named = {f"{prefix}{member.name}": int(member) for member in ours}
        assert named == {name: number for name, number in theirs.items() if number}
    assert {number for number in corrections_pb2.Attendance.values() if number} == attendance_rules.SAID
    assert set(attendance_rules.SESSIONS) == {number for number in class_book_pb2.Session.values() if number}
    kinds = {f"SUBJECT_KIND_{kind.name}": number for number, kind in domain.SUBJECT_KINDS.items()}
    assert kinds == {name: number for name, number in common_pb2.SubjectKind.items() if number}
    levels = {level.name: number for number, level in domain.PROTO_LEVELS.items()}
    assert levels == {name: number for name, number in common_pb2.Level.items() if number}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("sealed", [True, False])
def test_each_act_is_refused_from_every_other_state_and_to_everyone_else(act: BookAct, sealed: bool) -> None:
    act_rule = rules(sealed=sealed).get(act, replace(RULES[act], sources=frozenset()))
    for state in BookState:
        for paper in (False, True):
            life = Life(state, sealed, paper_track_required=paper, officer_confirmed=True, preparer_confirmed=True)
            for actor in Actor:
                if actor not in act_rule.actors:
                    with pytest.raises(Forbidden) as caught:
                        step(life, act, {actor})
                    assert caught.value.reason == "ROLE_REQUIRED"
            if state not in act_rule.sources:
                with pytest.raises(Rejected) as refused:
                    step(life, act, act_rule.actors)
                assert refused.value.reason == ("BOOK_STATE" if act_rule.sources else "NO_SEAL")


def test_no_path_at_all_breaks_the_order_of_acts() -> None:
    """Every life that acts by single actors lead to, with and without seal and paper track."""
    for paper, sealed in itertools.product((False, True), repeat=2):
        seen: set[tuple[Life, tuple[BookState, ...]]] = set()
        todo = [(Life(BookState.DATA_COMPLETE, sealed, paper_track_required=paper), (BookState.DATA_COMPLETE,))]
        while todo:
            life, path = todo.pop()
            if (life, path) in seen:
                continue
            seen.add((life, path))
            machine = Lives()
            machine.life, machine.path = life, list(path)
            machine.confirmed = {Actor.OFFICER, Actor.PREPARER} if BookState.RECONCILED in path else set()
            machine.order_of_acts()
            for act, actor, problem in itertools.product(ACTS, Actor, (False, True)):
                try:
                    after = step(replace(life, has_problem=problem), act, {actor})
                except (Forbidden, Rejected):
                    continue
                if after.state is BookState.RECONCILED:
                    assert life.officer_confirmed or actor is Actor.OFFICER
                    assert life.preparer_confirmed or actor is Actor.PREPARER
                todo.append((after, path if after.state is life.state else (*path, after.state)))
        assert {path[-1] for _, path in seen} >= {BookState.RETURNED, BookState.REVOKED, BookState.MISMATCH}


def test_the_paper_track_decides_where_signing_starts() -> None:
    principal = {Actor.PRINCIPAL}
    assert step(Life(BookState.RECONCILED), BookAct.START_SIGNING, principal).state is BookState.DIGITAL_SIGNING
    with pytest.raises(Rejected) as caught:
        step(Life(BookState.RECONCILED, paper_track_required=True), BookAct.START_SIGNING, principal)
    assert caught.value.reason == "PAPER_TRACK_REQUIRED"
    with pytest.raises(Rejected) as needless:
        step(Life(BookState.RECONCILED), BookAct.HAND_SIGN, principal)
    assert needless.value.reason == "PAPER_TRACK_NOT_REQUIRED"
    # A year that stops requiring the paper track lets books that began on paper go on.
    assert step(Life(BookState.PAPER_ARCHIVED), BookAct.START_SIGNING, principal).state is BookState.DIGITAL_SIGNING


def test_only_a_print_that_failed_ends_before_the_review() -> None:
    teacher = {Actor.PREPARER}
    with pytest.raises(Rejected):
        step(Life(BookState.PRINT_ASSIGNED), BookAct.REPORT_MISMATCH, teacher)
    assert (
        step(Life(BookState.PRINT_ASSIGNED, has_problem=True), BookAct.REPORT_MISMATCH, teacher).state
        is BookState.MISMATCH
    )


def test_read_only_states_are_those_from_locked_on() -> None:
    assert {BookState.LOCKED, BookState.ARCHIVED, BookState.RETURNED} == READ_ONLY
