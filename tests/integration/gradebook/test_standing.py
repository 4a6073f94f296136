"""What gradebook announces about vendors and staff lets the other services decide as it does."""

from google.protobuf import json_format
from hoso.gradebook.v1 import dossiers_pb2

from services.common import identity, standing
from services.common.db import Tx
from services.common.errors import Forbidden
from services.common.identity import Caller
from services.gradebook.roster import standing as announcing
from tests.integration.gradebook import dossier_acts
from tests.integration.gradebook.world import OTHER_VENDOR, VENDOR, World
from tests.owning import as_owner

# The tables of another service's copy; here in gradebook's own database, which does not use them.
_EMPTY = "TRUNCATE served_year, vendor_standing, staff_standing"


def _take_in(tx: Tx, after: int = 0) -> None:
    """Handle what was announced after an outbox row, newest first: no order may matter."""
    for subscription in standing.SUBSCRIPTIONS:
        name = subscription.event.DESCRIPTOR.full_name
        statement = "SELECT body FROM outbox WHERE type = %s AND id > %s ORDER BY id DESC"
        for (body,) in tx.execute(statement, (name, after)).fetchall():
            subscription.handle(tx, json_format.Parse(bytes(body), subscription.event()))


def _answer(world: World, client: str, person: str, after: int = 0) -> str:
    outside = identity.acting(Caller(client, person, world.school.code))
    try:
        with as_owner(world.database.config) as tx:
            tx.execute(_EMPTY)
            _take_in(tx, after)
            standing.may_read(tx, world.school.code, world.school.school_year)
    except Forbidden as e:
        return e.reason
    finally:
        identity._current.reset(outside)
    return "ALLOWED"


def test_people_and_years_are_announced(world: World) -> None:
    principal = world.school.principal
    assert _answer(world, VENDOR, principal) == "ALLOWED"
    assert _answer(world, OTHER_VENDOR, principal) == "VENDOR_NOT_AUTHORISED"
    assert _answer(world, VENDOR, world.school.classes[0].students[0].id) == "PERSON_UNKNOWN"


def test_a_suspension_is_announced_and_its_end(world: World) -> None:
    for status, answer in (
        (dossiers_pb2.VENDOR_STATUS_SUSPENDED, "VENDOR_SUSPENDED"),
        (dossiers_pb2.VENDOR_STATUS_APPRAISED, "ALLOWED"),
    ):
        dossier_acts.appraise(world, "smas", status)
        assert _answer(world, VENDOR, world.school.principal) == answer


def test_events_name_nobody(world: World) -> None:
    bodies = "".join(world.outbox("StaffChanged"))
    assert world.school.principal in bodies
    assert not [person.name for person in world.school.people if person.name in bodies]


def test_all_is_announced_again_for_a_copy_that_was_lost(world: World) -> None:
    ((last,),) = world.rows("SELECT max(id) FROM outbox")
    assert _answer(world, VENDOR, world.school.principal, after=last) == "VENDOR_NOT_AUTHORISED"
    _, years, people = announcing.announce_all(world.database)
    assert (years, people) == (1, len(world.school.people))
    assert _answer(world, VENDOR, world.school.principal, after=last) == "ALLOWED"
