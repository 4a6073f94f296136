"""Configuration of print: one TOML file per process."""

from dataclasses import dataclass, field

from services.common.settings import AnchorConfig, BrokerConfig, DatabaseConfig, PeerConfig, ServerConfig, WorkConfig


@dataclass(frozen=True)
class PrintConfig:
    """The configuration of every role. gradebook: where frozen content comes from."""

    database: DatabaseConfig
    broker: BrokerConfig
    server: ServerConfig
    gradebook: PeerConfig
    work: WorkConfig = field(default_factory=WorkConfig)
    anchor: AnchorConfig | None = None
