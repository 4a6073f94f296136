"""The roles that are the same in every service: `consume`, `relay`, `migrate`.

As in a service's `__main__`, the libraries of a role are imported inside its function, so that no
process loads what it must not.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from services.common import process
from services.common.settings import BrokerConfig, DatabaseConfig, TlsConfig

if TYPE_CHECKING:
    from services.common.intake import Subscription


class ServiceConfig(Protocol):
    """What these roles need of a service's configuration."""

    @property
    def database(self) -> DatabaseConfig:
        """The service's own database."""

    @property
    def broker(self) -> BrokerConfig:
        """The RabbitMQ that all services share."""


_SERVICES = Path(__file__).parents[1]

C = TypeVar("C", bound=ServiceConfig)
Role = Callable[[ServiceConfig, threading.Event], int | None]


def main(service: str, config_class: type[C], own: Mapping[str, Callable[[C, threading.Event], int | None]]) -> int:
    """Run the role that the command line names, one of the service's own or a shared one.

    Returns the exit code, as `process.main`.
    """
    return process.main(service, config_class, {**own, **_shared(service)})


def _shared(service: str) -> Mapping[str, Role]:
    """The roles that the service's `events` and `migrations` alone tell apart."""

    def subscriptions() -> "Iterable[Subscription]":
        # By name, since `common` imports no service; in the process of the role that needs them.
        return cast("Iterable[Subscription]", import_module(f"services.{service}.events").SUBSCRIPTIONS)

    def consume(config: ServiceConfig, stop: threading.Event) -> int:
        """Take events in from RabbitMQ; ended by a signal, which nameko handles itself."""
        del stop
        from services.common import consume

        return consume.run(service, config.broker, config.database, subscriptions())

    def relay(config: ServiceConfig, stop: threading.Event) -> None:
        """Publish the outbox to RabbitMQ."""
        from services.common import relay

        relay.run(config.database, config.broker, service, stop)

    def migrate(config: ServiceConfig, stop: threading.Event) -> None:
        """Bring the database schema and the broker's topology up to date."""
        del stop
        from services.common import db, intake, topology

        for name in db.migrate(config.database, [_SERVICES / service / "migrations"]):
            print(name)  # noqa: T201 - for the administrator who runs it
        topology.declare(config.broker, service, intake.event_types(subscriptions()))

    return {"consume": consume, "relay": relay, "migrate": migrate}


def report(service: str, tls: TlsConfig, found: Sequence[str]) -> int:
    """Print the problems of `check-config` that were found and those of the server's certificate,
    one per line; the exit code is 1 if there are any.
    """
    from services.common import peer

    problems = [*found, *peer.problems(tls, f"service/{service}")]
    for line in problems or ["configuration is good"]:
        print(line)  # noqa: T201 - for the administrator who runs it
    return 1 if problems else 0
