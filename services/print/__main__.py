"""``python -m services.print <role> --config <file.toml>``: the roles of print, wired by hand."""

import sys
import threading
from pathlib import Path

from services.common import process
from services.print.config import PrintConfig


def serve(config: PrintConfig, stop: threading.Event) -> None:
    """GRPC API."""
    from services.common import grpc_server, operations
    from services.common.db import Database
    from services.print import service

    database = Database(config.database)
    grpc_server.serve(
        config.server,
        [service.served(database), operations.served(database)],
        operations.record_refusal(database),
        {"database": database.ping},
        stop,
    )
    database.close()


def consume(config: PrintConfig, stop: threading.Event) -> int:
    """Events from RabbitMQ."""
    from services.common import consume
    from services.print.events import SUBSCRIPTIONS

    return consume.run("print", config.broker, config.database, SUBSCRIPTIONS)


def relay(config: PrintConfig, stop: threading.Event) -> None:
    """Outbox to RabbitMQ."""
    from services.common import relay

    relay.run(config.database, config.broker, "print", stop)


def work(config: PrintConfig, stop: threading.Event) -> None:
    """Render books."""
    from hoso.gradebook.v1 import books_pb2_grpc

    from services.common import anchoring, worker
    from services.common.db import Database
    from services.common.grpc_client import channel
    from services.print import rendering, usecases

    database = Database(config.database)
    gradebook = books_pb2_grpc.BookServiceStub(channel(config.gradebook))
    handlers = {usecases.RENDER_JOB: rendering.handler(database, gradebook)}
    handlers.update(anchoring.start("print", database, config.anchor, stop))
    worker.run(database, handlers, concurrency=config.work.concurrency, lease_s=config.work.lease_s, stop=stop)
    database.close()


def migrate(config: PrintConfig, stop: threading.Event) -> None:
    """Database schema and broker topology."""
    from services.common import consume, db, topology
    from services.print.events import SUBSCRIPTIONS

    for name in db.migrate(config.database, [Path(__file__).parent / "migrations"]):
        print(name)  # noqa: T201 - for the administrator who runs it
    topology.declare(config.broker, "print", consume.event_types(SUBSCRIPTIONS))


def check_config(config: PrintConfig, stop: threading.Event) -> int:
    """Reach every dependency; say what is wrong."""
    from services.print.check_config import problems

    found = problems(config)
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
    return process.main("print", PrintConfig, roles)


if __name__ == "__main__":
    sys.exit(main())
