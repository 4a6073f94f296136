"""The parts every service's configuration is made of; each service's `config.py` composes them into one dataclass.

There is no password among them: PostgreSQL and RabbitMQ know a service by its client certificate (PostgreSQL
`cert` authentication, RabbitMQ SASL EXTERNAL), the same certificate that names it to other services.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TlsConfig:
    """Who we are and whom we believe: PEM files. `key_file` must be readable by its owner only."""

    ca_file: Path
    cert_file: Path
    key_file: Path


@dataclass(frozen=True)
class DatabaseConfig:
    """One PostgreSQL database, reached over TLS with a client certificate whose common name maps to `user`."""

    host: str
    port: int
    name: str
    user: str
    tls: TlsConfig


@dataclass(frozen=True)
class BrokerConfig:
    """One RabbitMQ virtual host, reached over TLS with SASL EXTERNAL.

    user: the client certificate's common name, for example ``service/gradebook``; the broker takes it from the
        certificate, and we use it only where a client library wants a name.
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
    issuers_file: JSON object of the trusted token issuers and their Ed25519 public keys (PEM), by ``iss``.
    max_workers: threads that handle calls, 1 to 64.
    grace_s: seconds that running calls get to finish after SIGTERM.
    max_message_bytes: largest request or response; PDFs travel as streams of 256 KiB chunks, so 4 MiB is ample.
    """

    listen: str
    tls: TlsConfig
    issuers_file: Path
    max_workers: int = 16
    grace_s: float = 10.0
    max_message_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True)
class PeerConfig:
    """Another service's gRPC address (``host:port``) and the certificate we show it."""

    address: str
    tls: TlsConfig


@dataclass(frozen=True)
class AnchorConfig:
    """How a service anchors its audit heads in the archive (ADR-0051).

    key_file: ECDSA P-256 private key (PEM), used for nothing else and readable by its owner only.
    cert_file: its certificate (PEM), named ``urn:hoso:anchor/<service>`` and issued by a CA in `archive.tls.ca_file`.
    archive: where the signed statements are locked; archive itself reaches its own address.
    """

    key_file: Path
    cert_file: Path
    archive: PeerConfig
