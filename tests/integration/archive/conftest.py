"""Both stores, MinIO and SeaweedFS, each started once; every test here that takes `store` runs on
both.
"""

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from deploy.local import layout, objectstore
from services.archive import worm
from services.archive.config import StoreConfig
from services.archive.probe import provision
from tests import servers

# Beside the stack's own store: SeaweedFS takes eight ports from here, MinIO two.
_OFFSETS = {objectstore.SEAWEEDFS: 30, objectstore.MINIO: 40}
_OPEN_OFFSET = 50


@dataclass(frozen=True)
class RunningStore:
    """A store with a fresh pair of locked buckets."""

    kind: str
    config: StoreConfig
    admin: worm.Credentials
    own: worm.Credentials

    def worm(self) -> worm.WormStore:
        return worm.WormStore(self.config, self.own)


@contextlib.contextmanager
def _running(stack: layout.Stack, kind: str) -> Iterator[objectstore.Store]:
    if kind == objectstore.MINIO and objectstore.minio_program() is None:
        pytest.fail("the object-lock suite runs on MinIO too, and its server is not found; run: make minio")
    store = objectstore.Store(stack, kind, _OFFSETS[kind])
    objectstore.prepare(store)
    with servers.running(stack, replace(objectstore.process(store), name=f"store-{kind}")):
        yield store


@pytest.fixture(scope="session")
def seaweedfs(stack: layout.Stack, pki_files: servers.Pki) -> Iterator[objectstore.Store]:
    with _running(stack, objectstore.SEAWEEDFS) as store:
        yield store


@pytest.fixture(scope="session")
def minio(stack: layout.Stack, pki_files: servers.Pki) -> Iterator[objectstore.Store]:
    with _running(stack, objectstore.MINIO) as store:
        yield store


@pytest.fixture(scope="session")
def open_seaweedfs(stack: layout.Stack, pki_files: servers.Pki) -> Iterator[RunningStore]:
    """SeaweedFS as it comes: its inner servers answer anybody who reaches their ports."""
    store = objectstore.Store(stack, objectstore.SEAWEEDFS, _OPEN_OFFSET)
    process = objectstore.process(store)
    folder = stack.root / "store" / "seaweedfs-open"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    objectstore.prepare(objectstore.Store(stack, objectstore.SEAWEEDFS, _OFFSETS[objectstore.SEAWEEDFS]))
    shutil.copy(store.folder / "s3.json", folder / "s3.json")
    shutil.copy(store.folder / "master.toml", folder / "master.toml")
    command = [part.replace(str(store.folder), str(folder)) for part in process.command]
    command.remove("-filer.disableHttp=true")
    opened = replace(process, name="store-seaweedfs-open", command=tuple(command), folder=folder)
    with servers.running(stack, opened):
        yield with_buckets(store)


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


@pytest.fixture(scope="module", params=[objectstore.SEAWEEDFS, objectstore.MINIO])
def store(request: pytest.FixtureRequest) -> RunningStore:
    return with_buckets(request.getfixturevalue(request.param))
