"""What an earlier release answered is answered the same after `migrate`: reads, and acts that are
repeated.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from services.common.errors import Conflict
from tests.integration.gradebook.world import World, served
from tests.integration.kept.conftest import Restored
from tests.kept import kept
from tests.kept.asking import ask
from tests.kept.kept import Call
from tests.servers import Pki

RPCS_OF_ACTS = {
    "EnterMarks",
    "ImportMarks",
    "SettleMissingMarks",
    "EnterConduct",
    "EnterAbsences",
    "EnterAttendance",
    "EnterRemarks",
    "EnterAchievements",
    "RecordPracticalExemption",
    "RequestCorrection",
}


@pytest.fixture(scope="module")
def world(pki_files: Pki, restored: Restored) -> Iterator[World]:
    """Gradebook over the restored database, migrated."""
    with served(pki_files, restored("gradebook")) as world:
        yield world


@pytest.fixture(scope="module")
def acts(release: str) -> list[Call]:
    return kept.read_calls(kept.FOLDER / release / kept.ACTS)


def state(world: World) -> dict[str, Any]:
    """Everything that an act would leave behind."""
    counted = ("entry", "remark", "achievement", "attendance", "practical_exemption", "correction", "outbox", "job")
    state = {table: world.rows(f"SELECT count(*) FROM {table}") for table in counted}
    return {
        **state,
        "marks": world.rows("SELECT sum(version), sum(value) FROM mark"),
        "audit": world.rows("SELECT chain, sequence, hash FROM audit_head ORDER BY chain"),
    }


def test_everything_reads_as_it_did(world: World, release: str) -> None:
    reads = kept.read_calls(kept.FOLDER / release / kept.READS)
    assert len({call["rpc"] for call in reads}) > 20
    differing = [call["rpc"] for call in reads if ask(world, call) != call["answer"]]
    assert differing == []


def test_a_repeated_act_answers_as_it_did_and_changes_nothing(world: World, acts: list[Call]) -> None:
    assert {call["rpc"] for call in acts} == RPCS_OF_ACTS
    before = state(world)
    differing = [call["rpc"] for call in acts if ask(world, call) != call["answer"]]
    assert differing == []
    assert state(world) == before


@pytest.mark.parametrize("rpc", sorted(RPCS_OF_ACTS - {"ImportMarks"}))
def test_the_request_id_of_an_old_act_is_used_up(world: World, acts: list[Call], rpc: str) -> None:
    """The same id with what another request says is no repetition, and is refused."""
    first, *_, other = (call for call in acts if call["rpc"] == rpc)
    request = {**other["request"], "requestId": first["request"]["requestId"]}
    assert request not in (first["request"], other["request"])
    with pytest.raises(Conflict) as refused:
        ask(world, {**other, "request": request})
    assert refused.value.reason == "REQUEST_ID_REUSED"
