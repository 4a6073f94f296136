"""Both stores, MinIO and SeaweedFS, each started once; every test here that takes `store` runs on
both.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hoso.gradebook.v1.books_pb2_grpc import BookServiceStub
from hoso.gradebook.v1.marks_pb2_grpc import MarkServiceStub
from hoso.signing.v1.signing_pb2_grpc import SigningServiceStub

from deploy.local import layout, objectstore
from services.archive import locking
from services.common import db, identity
from services.common.grpc_client import channel
from services.common.settings import DatabaseConfig
from tests import servers
from tests.integration.archive import peers as stand_ins
from tests.integration.archive.archiving import OPERATOR, Bench, Sealed
from tests.integration.archive.stores import RunningStore, with_buckets
from tests.owning import as_owner
from tests.unit.archive.signed_books import Ca, sign, signatories, signing_copy

# Ports apart from those of the stack's own store: SeaweedFS takes eight from here, MinIO two.
_OFFSETS = {objectstore.SEAWEEDFS: 30, objectstore.MINIO: 40}
_OPEN_OFFSET = 50


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
    """SeaweedFS with its default settings: its inner servers answer anybody who reaches their
    ports.
    """
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


@pytest.fixture(scope="module", params=[objectstore.SEAWEEDFS, objectstore.MINIO])
def store(request: pytest.FixtureRequest) -> RunningStore:
    return with_buckets(request.getfixturevalue(request.param))


@pytest.fixture(scope="session")
def sealed() -> Sealed:
    content, unsigned = signing_copy()
    ca = Ca(at=datetime.now(UTC))  # archive checks certificates at the time of locking
    revisions = sign(unsigned, signatories(content), ca)
    return Sealed(content, unsigned, revisions[-1], revisions[-2], ca.root)


@pytest.fixture(scope="module")
def archive_database(database: Callable[[str], DatabaseConfig]) -> DatabaseConfig:
    config = database("archive")
    db.migrate(config, [layout.REPOSITORY / "services" / "archive" / "migrations"])
    return config


@pytest.fixture(scope="module")
def peers(pki_files: servers.Pki) -> Iterator[stand_ins.Peers]:
    with stand_ins.serving(pki_files) as peers:
        yield peers


@pytest.fixture
def bench(
    store: RunningStore, archive_database: DatabaseConfig, peers: stand_ins.Peers, sealed: Sealed
) -> Iterator[Bench]:
    database = db.Database(archive_database)
    with as_owner(database.config) as tx:
        tx.execute("TRUNCATE outbox, inbox, job")
    with channel(peers.gradebook, "gradebook") as to_gradebook, channel(peers.signing, "signing") as to_signing:
        archive = locking.Archive(
            database,
            store.worm(),
            store.config.endpoint,
            sealed.roots,
            MarkServiceStub(to_gradebook),
            BookServiceStub(to_gradebook),
            SigningServiceStub(to_signing),
        )
        token = identity.acting(OPERATOR)
        bench = Bench(archive, peers, store)
        bench.running.prove(bench.archive.database)
        yield bench
        identity._current.reset(token)
    database.close()
