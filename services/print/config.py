"""Configuration of print, one TOML file a process."""

from dataclasses import dataclass, field

from services.common.settings import AnchorConfig, BrokerConfig, DatabaseConfig, PeerConfig, ServerConfig


@dataclass(frozen=True)
class WorkConfig:
    """Role `work`. concurrency: books rendered at a time in one process; lease_s: see `worker.run`."""

    concurrency: int = 2
    lease_s: float = 60.0


@dataclass(frozen=True)
class PrintConfig:
    """Everything print needs.

    gradebook: where frozen content comes from. anchor: how the audit heads are anchored; without it
    they are not.
    """

    database: DatabaseConfig
    broker: BrokerConfig
    server: ServerConfig
    gradebook: PeerConfig
    work: WorkConfig = field(default_factory=WorkConfig)
    anchor: AnchorConfig | None = None
