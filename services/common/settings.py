"""The parts of every service's configuration; each service's `config.py` combines them.

They hold no password: PostgreSQL and RabbitMQ know a service by its client certificate (PostgreSQL
`cert` authentication, RabbitMQ SASL EXTERNAL), the same that names it to other services.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TlsConfig:
    """PEM files: our certificate and key, and the bundle of the CAs that peers' certificates come
    from, each with its CRL (`peer`). Only its owner may read `key_file`.
    """

    ca_file: Path
    cert_file: Path
    key_file: Path


@dataclass(frozen=True)
class OwnerConfig:
    """The PostgreSQL role that owns a service's tables, for `migrate` alone: no other role of the
    service needs to be able to read `key_file`. The certificate's subject maps to `user`.
    """

    user: str
    cert_file: Path
    key_file: Path


@dataclass(frozen=True)
class DatabaseConfig:
    """A PostgreSQL database, reached over TLS; our certificate's subject maps to `user`.

    host: where the server is; its certificate is named ``postgres.server.hoso`` everywhere. The
    bundle in `tls` holds the servers' CA only. user: owns nothing, and may do what the service's
    ``grants.toml`` says (ADR-0068).
    """

    host: str
    port: int
    name: str
    user: str
    tls: TlsConfig
    owner: OwnerConfig | None = None


@dataclass(frozen=True)
class BrokerConfig:
    """A RabbitMQ virtual host, reached over TLS with SASL EXTERNAL.

    host: where the broker is; its certificate is named ``rabbitmq.server.hoso`` everywhere. The
        bundle in `tls` holds the servers' CA only.
    user: the client certificate's common name, such as ``service/gradebook``; the broker takes it
        from the certificate, we need it only where a client library asks for a name.
    """

    host: str
    port: int
    user: str
    virtual_host: str
    tls: TlsConfig


@dataclass(frozen=True)
class ServerConfig:
    """A gRPC listener.

    listen: ``host:port``.
    issuers_file: JSON object of the trusted token issuers, see `tokens`.
    max_workers: threads that handle calls, 2 to 64.
    grace_s: seconds that running calls get to finish after SIGTERM.
    max_message_bytes: largest request; parsing the worst one takes 25 times its size in memory.
    PDFs travel in chunks of 256 KiB.
    calls_per_client, uploads_per_client, watches_per_client, bytes_per_client: what one client name
    may hold at a time, over all its connections (`shares.Limits`, ADR-0060).
    receive_s: seconds for a request, or for each message of a stream, to arrive.
    send_s: seconds for a peer to take an answer, or each message of a stream.
    """

    listen: str
    tls: TlsConfig
    issuers_file: Path
    max_workers: int = 22
    grace_s: float = 10.0
    max_message_bytes: int = 1024 * 1024
    calls_per_client: int = 256
    uploads_per_client: int = 8
    watches_per_client: int = 16
    bytes_per_client: int = 64 * 1024 * 1024
    receive_s: float = 10.0
    send_s: float = 30.0


@dataclass(frozen=True)
class PeerConfig:
    """Another service's gRPC address (``host:port``) and our certificate for it."""

    address: str
    tls: TlsConfig


@dataclass(frozen=True)
class WorkConfig:
    """The role `work`. concurrency: jobs at a time in one process; lease_s: see `worker.run`."""

    concurrency: int = 2
    lease_s: float = 60.0


@dataclass(frozen=True)
class AnchorConfig:
    """How a service anchors its audit heads in the archive (ADR-0051).

    key_file: ECDSA P-256 private key (PEM), used for nothing else and readable by its owner only.
    cert_file: its certificate (PEM), named ``urn:hoso:anchor/<service>`` and issued by an
    anchors' CA in `archive.tls.ca_file`. archive: where the signed statements are locked; archive
    itself reaches its own address.
    """

    key_file: Path
    cert_file: Path
    archive: PeerConfig
