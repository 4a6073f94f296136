"""Configuration of gradebook; one TOML file for all of its roles."""

from dataclasses import dataclass, field

from services.common.settings import AnchorConfig, BrokerConfig, DatabaseConfig, ServerConfig, WorkConfig


@dataclass(frozen=True)
class Config:
    """Everything gradebook needs.

    database: gradebook's own. broker: the shared RabbitMQ. server: where vendors and services call.
    anchor: how the audit heads are anchored; without it they are not.
    """

    database: DatabaseConfig
    broker: BrokerConfig
    server: ServerConfig
    work: WorkConfig = field(default_factory=WorkConfig)
    anchor: AnchorConfig | None = None
