"""Dossiers under bad input and at once from many sides."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hoso.gradebook.v1 import dossiers_pb2

from services.common.errors import Invalid, NotFound
from services.common.settings import DatabaseConfig
from tests.integration.gradebook.dossier_acts import (
    HIGH,
    PRINCIPAL,
    SUBMITTED,
    VICE,
    YEAR,
    act,
    appraise,
    document,
    items,
    plan,
    put_round,
    put_school,
    rules,
    save,
    submit,
)
from tests.integration.gradebook.world import DEPARTMENT, VENDOR, World, served
from tests.servers import Pki


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """A THPT in the middle of writing its dossier."""
    with served(pki_files, database("gradebook"), classes=1, students=5) as world:
        appraise(world, "smas", dossiers_pb2.VENDOR_STATUS_APPRAISED)
        put_school(world, HIGH)
        put_round(world, YEAR)
        plan(world, HIGH, YEAR)
        save(world, HIGH, YEAR, items([f"{HIGH}-{VICE}"], ["HK1"]))
        yield world


EMPTY_REQUESTS = {
    DEPARTMENT: (
        "PutVendor", "AppraiseVendor", "PutDossierRound", "ForwardList", "StartReview", "DecideDossier", "GetDossier",
        "ListDossiers", "ListMissingDossiers", "ListControlLog",
    ),
    VENDOR: ("SaveDossier", "SubmitDossier", "GetDossier", "ListControlLog", "RecordControlCheck"),
}  # fmt: skip


@pytest.mark.parametrize("client", EMPTY_REQUESTS)
def test_every_rpc_refuses_an_empty_request(world: World, client: str) -> None:
    person = None if client == DEPARTMENT else f"{HIGH}-{PRINCIPAL}"
    for rpc in EMPTY_REQUESTS[client]:
        with pytest.raises((Invalid, NotFound)):
            world.ask(rpc, client=client, person=person)


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("petition", {"title": "Tờ trình\0 sổ điện tử"}, "CONTROL_CHARACTER"),
        ("petition", {"title": "To\u031b\u0300 trình gửi Sở"}, "NOT_NFC"),
        ("petition", {"number": ""}, "LENGTH"),
        ("petition", {"issued_on": "20/9/2017"}, "DATE"),
        ("petition", {"issued_on": "2999-01-01"}, "DATE"),
        ("petition", {"sha256": b"short"}, "DIGEST"),
        ("petition", {"size_bytes": -1}, "OUT_OF_RANGE"),
        ("software", ["SMAS"], "VENDOR"),
        ("software", ["smas"] * 11, "COUNT"),
        ("portal_link", 7, "ENUM"),
        ("windows", ["hk1"], "WINDOW_NAME"),
        ("windows", ["HK1", "HK1"], "DUPLICATE"),
        ("assignment", [dossiers_pb2.StaffDuty(person="a b", duty="Theo dõi")], "CODE"),
        ("assignment", [dossiers_pb2.StaffDuty(person="a", duty="x")], "LENGTH"),
        ("assignment", [dossiers_pb2.StaffDuty(person="a", duty="Theo dõi")] * 2, "DUPLICATE"),
    ],
)
def test_a_draft_takes_nothing_malformed(world: World, field: str, value: Any, rule: str) -> None:
    if isinstance(value, dict):
        changed = document("Tờ trình sử dụng sổ điểm điện tử")
        for name, part in value.items():
            setattr(changed, name, part)
        value = changed
    wrong = items([f"{HIGH}-{VICE}"], ["HK1"])
    wrong.ClearField(field)  # type: ignore[arg-type]
    wrong.MergeFrom(dossiers_pb2.DossierItems(**{field: value}))
    before = world.rows("SELECT id, version, items FROM dossier ORDER BY id")
    with pytest.raises(Invalid) as caught:
        save(world, HIGH, YEAR, wrong)
    assert {broken for _, broken in rules(caught)} == {rule}
    assert world.rows("SELECT id, version, items FROM dossier ORDER BY id") == before


def test_handing_in_at_once_from_many_sides_happens_once(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: submit(world, HIGH, YEAR), range(8)))
    assert {(answer.state, answer.submitted_time.ToNanoseconds()) for answer in answers} == {
        (SUBMITTED, answers[0].submitted_time.ToNanoseconds())
    }
    history = act(world, "GetDossier", HIGH, YEAR).dossier.history
    assert [step.to_state for step in history] == [dossiers_pb2.DOSSIER_STATE_DRAFT, SUBMITTED]
