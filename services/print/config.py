"""Configuration of print: one TOML file per process."""

from dataclasses import dataclass, field

from services.common.settings import AnchorConfig, BrokerConfig, DatabaseConfig, PeerConfig, ServerConfig, WorkConfig


@dataclass(frozen=True)
class PrintConfig:
    """The configuration of every role.

    gradebook: where frozen content comes from. anchor: how the audit heads are anchored; without it
    they are not.
    """

    database: DatabaseConfig
    broker: BrokerConfig
    server: ServerConfig
    gradebook: PeerConfig
    work: WorkConfig = field(default_factory=WorkConfig)
    anchor: AnchorConfig | None = None
