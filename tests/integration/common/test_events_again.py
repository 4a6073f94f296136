"""Messages in flight when the release that proves senders comes: refused, and said again by their
owner.
"""

import uuid
from collections.abc import Callable
from pathlib import Path

from deploy.local.layout import Stack
from services.common import db, outbox, topology
from services.common.db import Database
from services.common.settings import BrokerConfig, DatabaseConfig
from tests.owning import as_owner
from tests.waiting import eventually

from . import messages
from .children import CONSUMER, RELAY, family
from .happened import Happened, body, hear_itself

TYPE = Happened.DESCRIPTOR.full_name
AGAIN = Path(db.__file__).parent / "migrations" / "0009_events_again.sql"


def test_an_event_in_flight_without_a_sender_takes_effect_once(
    stack: Stack,
    broker: Callable[[str], BrokerConfig],
    base: Database,
    database_config: DatabaseConfig,
    tmp_path: Path,
) -> None:
    config = broker("gradebook")
    hear_itself(stack, config.virtual_host)
    topology.declare(config, "gradebook", [TYPE])
    queue, dead = topology.queue("gradebook"), topology.dead_queue("gradebook")
    with as_owner(base.config) as tx:
        tx.execute("CREATE TABLE IF NOT EXISTS handled (value text)")
        tx.execute("GRANT SELECT, INSERT ON handled TO gradebook")
        tx.execute("TRUNCATE handled")
        done, flying, waiting = (outbox.add(tx, Happened(value=value)) for value in ("done", "flying", "waiting"))
        tx.execute("UPDATE outbox SET published_time = now() WHERE event_id <> %s", (waiting,))
        tx.execute("INSERT INTO inbox (event_id, type) VALUES (%s, %s)", (done, TYPE))
    # As an earlier relay has published it: nothing says from whom it is.
    messages.publish(config, queue, body("flying"), message_id=flying, type=TYPE, app_id="gradebook", user_id=None)
    with as_owner(base.config) as tx:
        tx.execute(AGAIN.read_bytes())
    with family(tmp_path, config, database_config) as children:
        consumer = children.start(CONSUMER)
        eventually(lambda: messages.depth(config, dead) == 1)
        children.start(RELAY)
        eventually(lambda: handled(base) == ["flying", "waiting"])
        eventually(lambda: messages.depth(config, queue) == 0)
        assert consumer.logged("NOT_FROM_OWNER") == 1
    assert handled(base) == ["flying", "waiting"]
    properties, _ = messages.take(config, dead)
    assert (properties.message_id, uuid.UUID(flying)) == (flying, uuid.UUID(properties.message_id))


def handled(base: Database) -> list[str]:
    with base.transaction() as tx:
        return [value for (value,) in tx.execute("SELECT value FROM handled ORDER BY ctid")]
