"""The standard health service (grpc.health.v1), answered by the event loop.

grpcio-health's own `Watch` writes while it holds a lock that each change of state needs, so a
watcher that does not read would stop the health of the service for everybody.
"""

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

State: Any = health_pb2.HealthCheckResponse
"""A state as the protocol carries it, and its message."""


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """States by the name of a dependency; "" is the whole service."""

    def __init__(self) -> None:
        self._states: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._stopping = False

    def set(self, name: str, state: int) -> None:
        """Set a state and wake the watchers; nothing serves again after `stop`."""
        self._states[name] = State.NOT_SERVING if self._stopping else state
        self._changed.set()
        self._changed = asyncio.Event()

    def stop(self) -> None:
        """From here on everything is NOT_SERVING."""
        self._stopping = True
        for name in self._states:
            self.set(name, State.NOT_SERVING)

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> Any:
        """The present state. Aborts with NOT_FOUND for an unknown name."""
        if request.service not in self._states:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return State(status=self._states[request.service])

    async def List(self, request: health_pb2.HealthListRequest, context: Any) -> Any:
        """The present state of everything."""
        return health_pb2.HealthListResponse(
            statuses={name: State(status=state) for name, state in self._states.items()}
        )

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:
        """The state, and each change of it, until the peer or the server ends the call."""
        told = None
        while True:
            changed = self._changed
            state = self._states.get(request.service, State.SERVICE_UNKNOWN)
            if state != told:
                await context.write(State(status=state))
                told = state
            await changed.wait()
