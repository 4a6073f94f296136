"""Configuration of archive: one TOML file for all of its roles."""

from dataclasses import dataclass, field
from pathlib import Path

from services.common.settings import AnchorConfig, BrokerConfig, DatabaseConfig, PeerConfig, ServerConfig, WorkConfig


@dataclass(frozen=True)
class StoreConfig:
    """The object store and the two buckets in it.

    endpoint: ``host:port`` of the S3 interface; always TLS.
    ca_file: PEM of the CA that issued the store's certificate, which is named
        ``s3.server.hoso``; the system's roots are not used.
    bucket: where records and anchors are locked.
    probe_bucket: where the WORM probe tries to break the store.
    access_key, secret_key_file: the service's own account, with the rights of `access.own_policy`
        and no more.
    probe_access_key, probe_secret_key_file: the store's administrator; only `provision` and `probe`
        use it.
    forbidden_ports: every other port of the store as ``host:port`` (console, filer, master,
        volumes, internal RPC). The probe proves that nobody without the store's own credentials can
        do anything through them (ADR-0021).
    """

    endpoint: str
    ca_file: Path
    bucket: str
    probe_bucket: str
    access_key: str
    secret_key_file: Path
    probe_access_key: str | None = None
    probe_secret_key_file: Path | None = None
    forbidden_ports: tuple[str, ...] = field(default=())
    region: str = "us-east-1"
    timeout_s: float = 30.0


@dataclass(frozen=True)
class ArchiveConfig:
    """Everything archive needs.

    gradebook, signing: where snapshots and sealed documents come from; gradebook is asked before
        anything is locked.
    trust_roots_file: PEM of the CA roots that signatures must lead to: the national root and the
        Government CA's. A root that was ever trusted stays in it, because old records are verified
        against it.
    anchor: how archive anchors its own audit heads, through its own address; without it they are
        not anchored.
    """

    database: DatabaseConfig
    broker: BrokerConfig
    server: ServerConfig
    gradebook: PeerConfig
    signing: PeerConfig
    store: StoreConfig
    trust_roots_file: Path
    anchor: AnchorConfig | None = None
    work: WorkConfig = field(default_factory=WorkConfig)
