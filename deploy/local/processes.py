"""The list of everything that runs in a stack: servers, then migrations, then every role of every
service.
"""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common import grpc_client
from services.common.settings import PeerConfig, TlsConfig

from . import objectstore, pki, postgres, rabbitmq, softhsm
from .layout import HOST, Stack
from .process import NotReadyError, Process

PORT_OFFSETS = {"gradebook": 20, "print": 21, "signing": 22, "archive": 23}

ROLES: dict[str, tuple[str, ...]] = {
    "gradebook": ("serve", "consume", "relay", "work"),
    "print": ("serve", "consume", "relay", "work"),
    "signing": ("tokens", "serve", "consume", "relay", "work"),
    "archive": ("serve", "consume", "relay", "work"),
}
"""The long-running roles of each service that the stack runs."""

_ALSO_AFTER = {
    "signing-serve": ("signing-tokens",),
    "signing-work": ("signing-tokens",),
    # No record is accepted before the store has been proved WORM.
    "archive-serve": ("archive-probe",),
    "archive-work": ("archive-probe",),
}


def servers(stack: Stack) -> tuple[Process, ...]:
    """PostgreSQL, RabbitMQ with its port mapper, and the object store."""
    return (postgres.process(stack), *rabbitmq.processes(stack), objectstore.process(objectstore.choose(stack)))


def services(stack: Stack) -> tuple[Process, ...]:
    """Every service's migration, archive's tasks, and every role."""
    processes: list[Process] = []
    for service, roles in ROLES.items():
        processes.append(_task(stack, service, "migrate", after=("postgres", "rabbitmq")))
        processes += [_role(stack, service, role) for role in roles]
    processes.append(_task(stack, "archive", "provision", after=("store", "archive-migrate")))
    processes.append(_task(stack, "archive", "probe", after=("archive-provision",)))
    return tuple(processes)


def _task(stack: Stack, service: str, role: str, *, after: tuple[str, ...]) -> Process:
    return Process(
        name=f"{service}-{role}",
        command=_command(stack, service, role),
        after=after,
        once=True,
        start_timeout_s=180,
    )


def _role(stack: Stack, service: str, role: str) -> Process:
    return Process(
        name=f"{service}-{role}",
        command=_command(stack, service, role),
        environment=softhsm.environment(stack) if service == "signing" else {},
        after=(f"{service}-migrate", *_ALSO_AFTER.get(f"{service}-{role}", ())),
        check=(lambda: _serving(stack, service)) if role == "serve" else None,
        stop_timeout_s=30,
    )


def _command(stack: Stack, service: str, role: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"services.{service}", role, "--config", str(stack.config / f"{service}.toml"))


def _serving(stack: Stack, service: str) -> None:
    """Raises NotReadyError until the service's gRPC health says SERVING for the whole."""
    identity = pki.identity(stack, "operator/department")
    address = f"{HOST}:{stack.port(PORT_OFFSETS[service])}"
    tls = TlsConfig(identity.ca_file, identity.cert_file, identity.key_file)
    with grpc_client.channel(PeerConfig(address, tls), service) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=3)
        except grpc.RpcError as e:
            raise NotReadyError(f"gRPC health: {e.code().name}") from e
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        raise NotReadyError(f"gRPC health: {name}; a dependency is away")
