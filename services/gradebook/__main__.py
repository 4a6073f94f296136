"""``python -m services.gradebook <role> --config <file.toml>``: the roles of gradebook, wired by
hand.
"""

import sys
import threading

from services.common import roles
from services.gradebook.config import Config


def serve(config: Config, stop: threading.Event) -> None:
    """GRPC API."""
    from services.common import dead_letter_service, grpc_server, operations
    from services.common.db import Database
    from services.common.refusals import Refusals
    from services.gradebook import api

    # One connection for each call that may run at a time, and one for the health check.
    database = Database(config.database, max_size=config.server.max_workers + 1)
    refused = Refusals(database)
    grpc_server.serve(
        config.server,
        [
            *api.served(database, refused),
            operations.served(database),
            dead_letter_service.served(database, config.broker, "gradebook"),
        ],
        refused,
        {"database": database.ping},
        stop,
    )
    database.close()


def work(config: Config, stop: threading.Event) -> None:
    """Close windows whose time has come."""
    from services.common import anchoring, worker
    from services.common.db import Database
    from services.gradebook.entry import windows

    database = Database(config.database, max_size=config.work.concurrency + 3)
    handlers = {windows.CLOSE_JOB: lambda job: windows.close_by_time(database, job)}
    handlers.update(anchoring.start("gradebook", database, config.anchor, stop))
    worker.run(database, handlers, concurrency=config.work.concurrency, lease_s=config.work.lease_s, stop=stop)
    database.close()


def announce(config: Config, stop: threading.Event) -> None:
    """Announce vendors, school years and staff once more; for the operator (docs/operations.md)."""
    del stop
    from services.common.db import Database
    from services.gradebook.roster import standing

    database = Database(config.database, max_size=1)
    vendors, years, people = standing.announce_all(database)
    database.close()
    print(f"announced: {vendors} vendors, {years} school years, {people} people")  # noqa: T201


def check_config(config: Config, stop: threading.Event) -> int:
    """Reach every dependency; say what is wrong."""
    del stop
    from services.common import anchoring, topology
    from services.common.db import Database
    from services.common.errors import Unavailable

    problems = anchoring.problems("gradebook", config.anchor)
    database = Database(config.database, max_size=1)
    try:
        database.ping()
    except Unavailable as e:
        problems.append(f"database: {e.message}")
    finally:
        database.close()
    try:
        topology.ping(config.broker, "gradebook")
    except Unavailable as e:
        problems.append(f"broker: {e.message}")
    return roles.report("gradebook", config.server.tls, problems)


def main() -> int:
    """Choose the role."""
    table = {
        "serve": serve,
        "work": work,
        "announce": announce,
        "check-config": check_config,
    }
    return roles.main("gradebook", Config, table)


if __name__ == "__main__":
    sys.exit(main())
