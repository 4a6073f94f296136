"""A school goes on where an earlier release left it: new versions over old ones, a waiting
correction decided.
"""

import copy
import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hoso.gradebook.v1 import corrections_pb2, marks_pb2

from services.common import audit
from tests.integration.gradebook.world import REGULAR, SECOND, World, served, timestamp
from tests.integration.kept.conftest import Restored
from tests.kept import digests, kept
from tests.kept.asking import ask
from tests.kept.kept import Call
from tests.servers import Pki


@pytest.fixture(scope="module")
def world(pki_files: Pki, restored: Restored) -> Iterator[World]:
    """Gradebook over the restored database, migrated."""
    with served(pki_files, restored("gradebook")) as world:
        yield world


@pytest.fixture(scope="module", autouse=True)
def old_heads(world: World) -> dict[str, int]:
    """Chain → sequence of the last row that the release wrote."""
    with world.database.transaction() as tx:
        return {head.chain: head.sequence for head in audit.heads(tx)}


@pytest.fixture(scope="module")
def acts(release: str) -> list[Call]:
    return kept.read_calls(kept.FOLDER / release / kept.ACTS)


@dataclass(frozen=True)
class Principal:
    """The principal of the school in the middle of its year."""

    school: str
    year: dict[str, str]
    token: str


@pytest.fixture(scope="module")
def principal(world: World, acts: list[Call]) -> Principal:
    decided = last_act(acts, "RecordPracticalExemption")
    where = decided["request"]["schoolClass"]
    year = {"school": where["school"], "school_year": where["schoolYear"]}
    return Principal(where["school"], year, world.token(decided["person"], school=where["school"]))


def last_act(acts: list[Call], rpc: str) -> Call:
    return [call for call in acts if call["rpc"] == rpc][-1]


def anew(call: Call) -> Call:
    """The same request under an id of its own, to be changed."""
    call = copy.deepcopy(call)
    call["request"]["requestId"] = str(uuid.uuid4())
    return call


def test_an_old_mark_gets_its_next_version(world: World, acts: list[Call], principal: Principal) -> None:
    now = dt.datetime.now(dt.UTC)
    window = marks_pb2.Window(
        name="TIEP",
        open_time=timestamp(now - dt.timedelta(hours=1)),
        close_time=timestamp(now + dt.timedelta(hours=1)),
        semesters=[SECOND],
        mark_kinds=[REGULAR],
    )
    world.ask("PlanWindow", token=principal.token, **principal.year, window=window)
    sheet = {"subject": "TOAN", "semester": "SEMESTER_SECOND"}
    entry = anew(
        next(
            act
            for act in acts
            if act["rpc"] == "EnterMarks" and sheet == {name: act["request"][name] for name in sheet}
        )
    )
    row = entry["request"]["rows"][0]
    before, row["values"] = row["values"][0], ["0.5"]
    assert ask(world, entry) == {"changed": 1, "unchanged": len(entry["request"]["rows"]) - 1}
    cell = {name: entry["request"][name] for name in ("schoolClass", "subject", "semester")}
    cell |= {"column": entry["request"]["columns"][0], "student": row["student"]}
    history = ask(world, {**entry, "rpc": "GetMarkHistory", "person": "", "request": cell})["versions"]
    assert [(version["version"], version["value"]) for version in history] == [(1, before), (2, "0.5")]


def test_a_waiting_correction_is_decided(world: World, principal: Principal) -> None:
    confirmed = corrections_pb2.CORRECTION_STATE_CONFIRMED
    (waiting,) = world.ask("ListCorrections", **principal.year, state=confirmed).corrections
    decided = world.ask("DecideCorrection", token=principal.token, correction=waiting.id, approve=True, note="Đã xem.")
    assert decided.correction.state == corrections_pb2.CORRECTION_STATE_APPROVED


def test_chains_go_on_and_old_digests_stay(world: World, acts: list[Call], old_heads: dict[str, int]) -> None:
    entry = anew(last_act(acts, "EnterRemarks"))
    entry["request"]["rows"][0]["text"] = "Tiến bộ."
    assert ask(world, entry) == {"changed": 1, "unchanged": len(entry["request"]["rows"]) - 1}
    with world.database.transaction() as tx:
        assert audit.verify(tx) == []
        assert sum(head.sequence for head in audit.heads(tx)) > sum(old_heads.values())
        rows = digests.bound_rows(tx, old_heads)
        assert rows
        assert [row for row in rows if digests.recomputed(tx, row) != row.sha256] == []
