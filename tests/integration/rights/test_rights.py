"""Every RPC × every kind of client × every kind of person: the running services do what
docs/rights.md says, and nothing in it is what nobody may ever do.

A new RPC, a new client or a changed right makes the first test fail; `make rights` writes the file
anew, to be read before it is committed.
"""

import difflib
import os
from collections.abc import Sequence

import grpc
import pytest

from tests.integration.rights import table
from tests.integration.rights.city import A, B, City
from tests.integration.rights.kinds import CLIENTS, Person, persons
from tests.integration.rights.outcomes import HIDDEN
from tests.integration.rights.table import Cells, allowed

NOT_SERVING = [client for client in CLIENTS if client.key in ("suspended", "other", "unknown")]
FOR_ALL = {"Check", "List", "Watch", "ServerReflectionInfo", "GetAssessmentPolicy"}
"""What any client may ask: whether a service lives, its contract, and the Department's rulings."""
SERVICES = [client for client in CLIENTS if client.certificate.startswith("service/")]
OF_SERVICES: dict[str, set[str]] = {
    "gradebook": set(),
    "print": {"GetBookFacts", "DownloadBookContent", "AnchorAuditHeads", "GetAnchor"},
    "signing": {"GetBookFacts", "GetRendition", "DownloadRendition"},
    "archive": {"GetBookFacts", "GetSnapshotFacts", "DownloadSnapshot", "DownloadDocument"},
}
"""What the code of each service calls at the others; what is not here, none may call. The anchors
of the requests are print's.
"""


@pytest.fixture(scope="module")
def kinds() -> Sequence[Person]:
    return persons(A, B)


@pytest.fixture(scope="module")
def cells(town: City, kinds: Sequence[Person]) -> Cells:
    """What every call comes to. The vendor is suspended last."""
    measured = table.measure(town, kinds, suspended=False)
    town.suspend()
    return {**measured, **table.measure(town, kinds, suspended=True)}


def test_the_table_is_what_the_services_do(cells: Cells, kinds: Sequence[Person]) -> None:
    drawn = table.draw(cells, kinds)
    if os.environ.get("HOSO_WRITE_RIGHTS"):
        table.FILE.write_text(drawn, encoding="utf-8")
    written = table.FILE.read_text(encoding="utf-8") if table.FILE.exists() else ""
    changes = difflib.unified_diff(written.splitlines(), drawn.splitlines(), "docs/rights.md", "the services", n=0)
    assert list(changes) == [], "read what changed; when it is right, run: make rights"


def test_who_is_let_through_has_asked_in_order(cells: Cells) -> None:
    """A mark of the table means a right, not a request that stumbled before its right was asked."""
    stumbled = {
        (row.name, outcome.reason)
        for row, _, _, outcome in allowed(cells)
        if outcome.code is grpc.StatusCode.INVALID_ARGUMENT
    }
    assert stumbled == set()


def test_nothing_that_is_there_is_denied(cells: Cells) -> None:
    hidden = {(row.name, outcome.reason) for (row, _, _), outcome in cells.items() if outcome.letter == HIDDEN}
    assert hidden == set()


def test_software_that_does_not_serve_the_school_gets_nothing(cells: Cells) -> None:
    got = {(row.name, client.key) for row, client, _, _ in allowed(cells) if client in NOT_SERVING}
    assert {name for name, _ in got} == FOR_ALL


def test_a_service_may_call_what_it_calls_and_nothing_else(cells: Cells) -> None:
    got = {(client.key, row.name) for row, client, _, _ in allowed(cells) if client in SERVICES}
    used = {(service, rpc) for service, rpcs in OF_SERVICES.items() for rpc in rpcs}
    public = {(client.key, rpc) for client in SERVICES for rpc in FOR_ALL - {"GetAssessmentPolicy"}}
    assert got == used | public


def test_an_operator_of_another_name_may_do_nothing(cells: Cells) -> None:
    got = {row.name for row, client, _, _ in allowed(cells) if client.key == "operator"}
    assert got == FOR_ALL - {"GetAssessmentPolicy"}


def test_a_token_in_the_wrong_hands_opens_nothing(cells: Cells) -> None:
    assert {row.name for row, _, person, _ in allowed(cells) if person.of_another_client} == set()
