"""A running object store with buckets of its own."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from deploy.local import layout, objectstore
from services.archive import usecases, worm
from services.archive.config import StoreConfig
from services.archive.probe import provision
from services.archive.proof import ProbeCheck, ProbeReport
from services.common.db import Database


@dataclass(frozen=True)
class RunningStore:
    """A store with a fresh pair of locked buckets."""

    kind: str
    config: StoreConfig
    admin: worm.Credentials
    own: worm.Credentials

    def worm(self) -> worm.WormStore:
        return worm.WormStore(self.config, self.own)

    def prove(self, database: Database, *, passed: bool = True) -> None:
        """Record the outcome of a probe of this store, which `services.archive.probe` would
        take.
        """
        now, config = datetime.now(UTC), self.config
        checks = (ProbeCheck("delete-version", "refused", "refused", passed),)
        with database.transaction() as tx:
            usecases.record_probe(
                tx, ProbeReport(config.endpoint, config.bucket, config.probe_bucket, now, now, checks)
            )


def with_buckets(server: objectstore.Store) -> RunningStore:
    """A pair of fresh buckets in a running store, and how to reach them."""
    mark = uuid.uuid4().hex[:10]
    config = StoreConfig(
        endpoint=server.endpoint,
        ca_file=server.ca_file,
        bucket=f"hoso-records-{mark}",
        probe_bucket=f"hoso-probe-{mark}",
        access_key=objectstore.ARCHIVE_ACCESS_KEY,
        secret_key_file=server.archive_secret_file,
        probe_access_key=objectstore.ROOT_ACCESS_KEY,
        probe_secret_key_file=server.root_secret_file,
        forbidden_ports=tuple(f"{layout.HOST}:{port}" for port in server.forbidden_ports),
    )
    admin = worm.admin_credentials(config)
    provision(config, admin)
    return RunningStore(server.kind, config, admin, worm.own_credentials(config))
