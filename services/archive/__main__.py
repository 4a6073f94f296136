"""``python -m services.archive <role> --config <file.toml>``: the roles of archive, wired by
hand.
"""

import sys
import threading
from typing import TYPE_CHECKING

from services.common import roles

if TYPE_CHECKING:
    from services.archive.config import ArchiveConfig


def serve(config: "ArchiveConfig", stop: threading.Event) -> None:
    """GRPC API."""
    from services.archive import service, service_anchors
    from services.archive.anchors import Anchors
    from services.archive.verification import Verifier
    from services.archive.worm import WormStore, own_credentials
    from services.common import dead_letter_service, grpc_server, operations
    from services.common.config import read_roots
    from services.common.db import Database
    from services.common.refusals import Refusals

    database = Database(config.database)
    worm = WormStore(config.store, own_credentials(config.store))
    verifier = Verifier(database, worm, read_roots(config.trust_roots_file))
    anchors = Anchors(database, worm, config.store.endpoint, config.server.tls.ca_file.read_bytes())
    grpc_server.serve(
        config.server,
        [
            service.served(verifier, config.store.endpoint),
            service_anchors.served(anchors),
            operations.served(database),
            dead_letter_service.served(database, config.broker, "archive"),
        ],
        Refusals(database),
        {"database": database.ping, "store": worm.require_lock},
        stop,
    )
    database.close()


def work(config: "ArchiveConfig", stop: threading.Event) -> None:
    """Lock snapshots and sealed books; compare journal, register and store; anchor our own audit
    heads.
    """
    from hoso.gradebook.v1.books_pb2_grpc import BookServiceStub
    from hoso.gradebook.v1.marks_pb2_grpc import MarkServiceStub
    from hoso.signing.v1.signing_pb2_grpc import SigningServiceStub

    from services.archive import comparison, locking
    from services.archive.worm import WormStore, own_credentials
    from services.common import anchoring, worker
    from services.common.config import read_roots
    from services.common.db import Database
    from services.common.grpc_client import channel

    database, gradebook = Database(config.database), channel(config.gradebook, "gradebook")
    archive = locking.Archive(
        database=database,
        worm=WormStore(config.store, own_credentials(config.store)),
        endpoint=config.store.endpoint,
        roots=read_roots(config.trust_roots_file),
        marks=MarkServiceStub(gradebook),
        books=BookServiceStub(gradebook),
        signing=SigningServiceStub(channel(config.signing, "signing")),
    )
    handlers = {
        **locking.handlers(archive),
        **comparison.start(database, archive.worm, stop),
        **anchoring.start("archive", database, config.anchor, stop),
    }
    worker.run(database, handlers, concurrency=config.work.concurrency, lease_s=config.work.lease_s, stop=stop)
    database.close()


def provision(config: "ArchiveConfig", stop: threading.Event) -> None:
    """Create the locked bucket and the probe's bucket where they are missing; prove that both are
    locked.
    """
    from services.archive import probe
    from services.archive.worm import WormStore, admin_credentials, own_credentials

    for bucket in probe.provision(config.store, admin_credentials(config.store)):
        print(f"created {bucket}")  # noqa: T201 - for the administrator who runs it
    WormStore(config.store, own_credentials(config.store)).require_lock()


def probe(config: "ArchiveConfig", stop: threading.Event) -> int:
    """Prove that the configured store is WORM, and keep the report; 1 when it is not."""
    from services.archive import probe, usecases
    from services.archive.worm import admin_credentials, own_credentials
    from services.common.db import Database

    report = probe.run(config.store, admin_credentials(config.store), own_credentials(config.store))
    database = Database(config.database, max_size=1)
    with database.transaction() as tx:
        usecases.record_probe(tx, report)
    database.close()
    for check in report.checks:
        mark = "pass" if check.passed else "FAIL"
        print(f"{mark} {check.name}: {check.expected} | {check.observed}")  # noqa: T201 - for the administrator
    return 0 if report.passed else 1


def check_config(config: "ArchiveConfig", stop: threading.Event) -> int:
    """Reach every dependency; say what is wrong."""
    from services.archive.check_config import problems

    return roles.report("archive", config.server.tls, problems(config))


def main() -> int:
    """Choose the role."""
    from services.archive.config import ArchiveConfig

    table = {
        "serve": serve,
        "work": work,
        "provision": provision,
        "probe": probe,
        "check-config": check_config,
    }
    return roles.main("archive", ArchiveConfig, table)


if __name__ == "__main__":
    sys.exit(main())
