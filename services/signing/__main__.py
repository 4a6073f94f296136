"""``python -m services.signing <role> --config <file.toml>``: the roles of signing, wired by hand.

`ceremony` reads a configuration of its own (`ceremony.CeremonyConfig`); all others read `config.SigningConfig`.
"""

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from services.common import process

if TYPE_CHECKING:
    from services.signing.ceremony import CeremonyConfig
    from services.signing.config import SigningConfig


def serve(config: "SigningConfig", stop: threading.Event) -> None:
    """GRPC API."""
    from services.common import grpc_server, operations
    from services.common.db import Database
    from services.signing import service
    from services.signing.token_client import TokenClient

    database = Database(config.database)
    tokens = TokenClient(config.tokens.socket)
    grpc_server.serve(
        config.server,
        [service.served(database, tokens), operations.served(database)],
        operations.record_refusal(database),
        {"database": database.ping, "tokens": tokens.ping},
        stop,
    )
    database.close()


def consume(config: "SigningConfig", stop: threading.Event) -> int:
    """Events from RabbitMQ."""
    from services.common import consume
    from services.signing.events import SUBSCRIPTIONS

    return consume.run("signing", config.broker, config.database, SUBSCRIPTIONS)


def relay(config: "SigningConfig", stop: threading.Event) -> None:
    """Outbox to RabbitMQ."""
    from services.common import relay

    relay.run(config.database, config.broker, "signing", stop)


def work(config: "SigningConfig", stop: threading.Event) -> None:
    """Fetch signing copies and sign."""
    from hoso.print.v1.print_pb2_grpc import PrintServiceStub

    from services.common import anchoring, worker
    from services.common.db import Database
    from services.common.grpc_client import channel
    from services.signing import domain, fetch_job, signing_job
    from services.signing.token_client import TokenClient

    database = Database(config.database)
    handlers = {
        domain.FETCH_JOB: fetch_job.handler(database, PrintServiceStub(channel(config.print))),
        domain.SIGN_JOB: signing_job.handler(database, TokenClient(config.tokens.socket)),
    }
    handlers.update(anchoring.start("signing", database, config.anchor, stop))
    worker.run(database, handlers, concurrency=config.work.concurrency, lease_s=config.work.lease_s, stop=stop)
    database.close()


def tokens(config: "SigningConfig", stop: threading.Event) -> None:
    """Owners of PKCS#11 tokens."""
    from services.signing import tokens

    tokens.run(config.tokens, stop)


def migrate(config: "SigningConfig", stop: threading.Event) -> None:
    """Database schema and broker topology."""
    from services.common import consume, db, topology
    from services.signing.events import SUBSCRIPTIONS

    for name in db.migrate(config.database, [Path(__file__).parent / "migrations"]):
        print(name)  # noqa: T201 - for the administrator who runs it
    topology.declare(config.broker, "signing", consume.event_types(SUBSCRIPTIONS))


def check_config(config: "SigningConfig", stop: threading.Event) -> int:
    """Reach every dependency; say what is wrong."""
    from services.signing.check_config import problems

    found = problems(config)
    for line in found or ["configuration is good"]:
        print(line)  # noqa: T201 - for the administrator who runs it
    return 1 if found else 0


def ceremony(config: "CeremonyConfig", stop: threading.Event) -> None:
    """Key ceremony; prints its record."""
    from services.signing import ceremony

    print(ceremony.write_record(config, ceremony.perform(config)))  # noqa: T201 - the record is its output


def main() -> int:
    """Choose the role."""
    if len(sys.argv) > 1 and sys.argv[1] == "ceremony":
        from services.signing.ceremony import CeremonyConfig

        return process.main("signing", CeremonyConfig, {"ceremony": ceremony})
    from services.signing.config import SigningConfig

    roles = {
        "serve": serve,
        "consume": consume,
        "relay": relay,
        "work": work,
        "tokens": tokens,
        "migrate": migrate,
        "check-config": check_config,
    }
    return process.main("signing", SigningConfig, roles)


if __name__ == "__main__":
    sys.exit(main())
