"""``python -m services.gradebook <role> --config <file.toml>``: the roles of gradebook, wired by hand."""

import sys
import threading
from pathlib import Path

from services.common import process
from services.gradebook.config import Config


def serve(config: Config, stop: threading.Event) -> None:
    """GRPC API."""
    from services.common import grpc_server, operations
    from services.common.db import Database
    from services.gradebook import service

    # One connection for each call that may run at a time, and one for the health check.
    database = Database(config.database, max_size=config.server.max_workers + 1)
    grpc_server.serve(
        config.server,
        [*service.served(database), operations.served(database)],
        operations.record_refusal(database),
        {"database": database.ping},
        stop,
    )
    database.close()


def consume(config: Config, stop: threading.Event) -> int:
    """Events from RabbitMQ; they stop by signal."""
    del stop
    from services.common import consume
    from services.gradebook.events import SUBSCRIPTIONS

    return consume.run("gradebook", config.broker, config.database, SUBSCRIPTIONS)


def relay(config: Config, stop: threading.Event) -> None:
    """Outbox to RabbitMQ."""
    from services.common import relay

    relay.run(config.database, config.broker, "gradebook", stop)


def work(config: Config, stop: threading.Event) -> None:
    """Close windows whose time has come."""
    from services.common import worker
    from services.common.db import Database
    from services.gradebook.usecases import windows

    database = Database(config.database, max_size=config.work.concurrency + 3)
    handlers = {windows.CLOSE_JOB: lambda job: windows.close_by_time(database, job)}
    worker.run(database, handlers, concurrency=config.work.concurrency, lease_s=config.work.lease_s, stop=stop)
    database.close()


def migrate(config: Config, stop: threading.Event) -> None:
    """Database schema and broker topology."""
    del stop
    from services.common import consume, db, topology
    from services.gradebook.events import SUBSCRIPTIONS

    for name in db.migrate(config.database, [Path(__file__).parent / "migrations"]):
        print(name)  # noqa: T201 - for the administrator who runs it
    topology.declare(config.broker, "gradebook", consume.event_types(SUBSCRIPTIONS))


def check_config(config: Config, stop: threading.Event) -> int:
    """Reach every dependency; say what is wrong."""
    del stop
    from services.common import topology
    from services.common.db import Database
    from services.common.errors import Unavailable

    found = []
    database = Database(config.database, max_size=1)
    try:
        database.ping()
    except Unavailable as e:
        found.append(f"database: {e.message}")
    finally:
        database.close()
    try:
        topology.ping(config.broker, "gradebook")
    except Unavailable as e:
        found.append(f"broker: {e.message}")
    for line in found or ["configuration is good"]:
        print(line)  # noqa: T201 - for the administrator who runs it
    return 1 if found else 0


def main() -> int:
    """Choose the role."""
    roles = {
        "serve": serve,
        "consume": consume,
        "relay": relay,
        "work": work,
        "migrate": migrate,
        "check-config": check_config,
    }
    return process.main("gradebook", Config, roles)


if __name__ == "__main__":
    sys.exit(main())
