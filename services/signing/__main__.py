"""``python -m services.signing <role> --config <file.toml>``: the roles of signing, wired by hand.

`ceremony` reads a configuration of its own (`ceremony.CeremonyConfig`); all others read
`config.SigningConfig`.
"""

import sys
import threading
from typing import TYPE_CHECKING

from services.common import process, roles

if TYPE_CHECKING:
    from services.signing.ceremony import CeremonyConfig
    from services.signing.config import SigningConfig

EX_TEMPFAIL = 75
"""Exit code (sysexits.h) of a ceremony that has stopped and waits for certificates."""


def serve(config: "SigningConfig", stop: threading.Event) -> None:
    """GRPC API."""
    from services.common import dead_letter_service, grpc_server, operations
    from services.common.db import Database
    from services.common.refusals import Refusals
    from services.signing import certificate_path, service
    from services.signing.token_client import TokenClient

    database = Database(config.database)
    tokens = TokenClient(config.tokens.socket)
    grpc_server.serve(
        config.server,
        [
            service.served(database, tokens, certificate_path.read_roots(config.trust_roots_file)),
            operations.served(database),
            dead_letter_service.served(database, config.broker, "signing"),
        ],
        Refusals(database),
        {"database": database.ping, "tokens": tokens.ping},
        stop,
    )
    database.close()


def work(config: "SigningConfig", stop: threading.Event) -> None:
    """Fetch signing copies and sign; void what has ended."""
    from hoso.gradebook.v1.books_pb2_grpc import BookServiceStub
    from hoso.print.v1.print_pb2_grpc import PrintServiceStub

    from services.common import anchoring, book_facts, voids, worker
    from services.common.db import Database
    from services.common.grpc_client import channel
    from services.signing import domain, fetch_job, open_keys, signing_job, store
    from services.signing.token_client import TokenClient

    database = Database(config.database)
    tokens = TokenClient(config.tokens.socket)
    gradebook = BookServiceStub(channel(config.gradebook, "gradebook"))
    handlers = {
        domain.FETCH_JOB: fetch_job.handler(database, PrintServiceStub(channel(config.print, "print")), gradebook),
        domain.SIGN_JOB: signing_job.handler(database, tokens, gradebook),
        voids.JOB: book_facts.void_handler(database, gradebook, store.void_book),
    }
    handlers.update(anchoring.start("signing", database, config.anchor, stop))
    threading.Thread(target=open_keys.watch, args=(database, tokens, stop), name="open-keys", daemon=True).start()
    worker.run(database, handlers, concurrency=config.work.concurrency, lease_s=config.work.lease_s, stop=stop)
    database.close()


def tokens(config: "SigningConfig", stop: threading.Event) -> None:
    """Owners of PKCS#11 tokens."""
    from services.signing import tokens

    tokens.run(config.tokens, stop)


def check_config(config: "SigningConfig", stop: threading.Event) -> int:
    """Reach every dependency; say what is wrong."""
    from services.signing.check_config import problems

    return roles.report("signing", config.server.tls, problems(config))


def ceremony(config: "CeremonyConfig", stop: threading.Event) -> int:
    """Key ceremony; prints its record, or stops for the certificates that its requests ask for."""
    from services.signing import ceremony

    outcome = ceremony.perform(config)
    if isinstance(outcome, str):
        print(outcome)  # noqa: T201 - the record is its output
        return 0
    waiting = "\n".join(map(str, outcome.missing))
    text = f"The requests are in {config.requests_dir}. Run this again when these certificates are there:\n{waiting}"
    print(text)  # noqa: T201 - tells the administrator how to go on
    return EX_TEMPFAIL


def main() -> int:
    """Choose the role."""
    if len(sys.argv) > 1 and sys.argv[1] == "ceremony":
        from services.signing.ceremony import CeremonyConfig

        return process.main("signing", CeremonyConfig, {"ceremony": ceremony})
    from services.signing.config import SigningConfig

    table = {
        "serve": serve,
        "work": work,
        "tokens": tokens,
        "check-config": check_config,
    }
    return roles.main("signing", SigningConfig, table)


if __name__ == "__main__":
    sys.exit(main())
