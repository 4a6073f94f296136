"""Configuration of print, one TOML file a process."""

from dataclasses import dataclass, field

from services.common.settings import BrokerConfig, DatabaseConfig, PeerConfig, ServerConfig, WorkConfig


@dataclass(frozen=True)
class PrintConfig:
    """Everything print needs. gradebook: where frozen content comes from."""

    database: DatabaseConfig
    broker: BrokerConfig
    server: ServerConfig
    gradebook: PeerConfig
    work: WorkConfig = field(default_factory=WorkConfig)
