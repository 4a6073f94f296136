"""Configuration of gradebook; one TOML file for all of its roles."""

from dataclasses import dataclass, field

from services.common.settings import AnchorConfig, BrokerConfig, DatabaseConfig, ServerConfig


@dataclass(frozen=True)
class WorkConfig:
    """Role `work`. concurrency: windows closed at a time in one process; lease_s: see `worker.run`."""

    concurrency: int = 2
    lease_s: float = 60.0


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
