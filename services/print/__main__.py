"""``python -m services.print <role> --config <file.toml>``: the roles of print, wired by hand."""

import sys
import threading

from services.common import roles
from services.print.config import PrintConfig


def serve(config: PrintConfig, stop: threading.Event) -> None:
    """GRPC API."""
    from services.common import dead_letter_service, grpc_server, operations
    from services.common.db import Database
    from services.common.refusals import Refusals
    from services.print import service

    database = Database(config.database)
    grpc_server.serve(
        config.server,
        [
            service.served(database),
            operations.served(database),
            dead_letter_service.served(database, config.broker, "print"),
        ],
        Refusals(database),
        {"database": database.ping},
        stop,
    )
    database.close()


def work(config: PrintConfig, stop: threading.Event) -> None:
    """Render books; void what has ended."""
    from hoso.gradebook.v1 import books_pb2_grpc

    from services.common import anchoring, book_facts, voids, worker
    from services.common.db import Database
    from services.common.grpc_client import channel
    from services.print import rendering, store, usecases

    database = Database(config.database)
    gradebook = books_pb2_grpc.BookServiceStub(channel(config.gradebook, "gradebook"))
    handlers = {
        usecases.RENDER_JOB: rendering.handler(database, gradebook),
        voids.JOB: book_facts.void_handler(database, gradebook, store.void),
    }
    handlers.update(anchoring.start("print", database, config.anchor, stop))
    worker.run(database, handlers, concurrency=config.work.concurrency, lease_s=config.work.lease_s, stop=stop)
    database.close()


def check_config(config: PrintConfig, stop: threading.Event) -> int:
    """Reach every dependency; say what is wrong."""
    from services.print.check_config import problems

    return roles.report("print", config.server.tls, problems(config))


def main() -> int:
    """Choose the role."""
    table = {
        "serve": serve,
        "work": work,
        "check-config": check_config,
    }
    return roles.main("print", PrintConfig, table)


if __name__ == "__main__":
    sys.exit(main())
