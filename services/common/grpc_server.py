"""The gRPC edge of every service: mTLS, callers, access (deny by default), shares, errors, health,
stopping.

Servicers stay plain: they turn messages into arguments, call a use case and raise the errors of
`errors`. `grpc_call` does the rest for each call; here the server is put together: every RPC is
registered with raw bytes as a stream of requests, so that our code runs when the headers arrive
and decides what is received, and when.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio
import uvloop
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer

from services.common import grpc_credentials, log, peer
from services.common.config import ConfigError
from services.common.errors import Exhausted, HosoError, Invalid, Violation
from services.common.grpc_call import Call, Door, Refusal, ServicerContext, parse, perform
from services.common.grpc_health import Health, State
from services.common.identity import Access
from services.common.settings import ServerConfig, TlsConfig
from services.common.shares import Limits, Shares, Workers
from services.common.tokens import TokenVerifier

HEALTH_PERIOD_S = 2.0
WARN_PERIOD_S = 12 * 3600.0
UPLOADS = 16
"""Calls of all clients together that send a stream; each has a thread."""
WATCH_S = 300.0
"""How long a health watch lasts before the peer must ask again."""
MAX_STREAM_S = 12 * 3600.0
"""The longest deadline of a call that streams: an operator recomputes a city's audit chains."""
_ROUNDING = 1.05
"""gRPC sends a long deadline in coarse units, rounded up."""
MAX_CONNECTION_S = 3600
"""Age at which a connection is closed, so that none outlives its certificate by much."""
CONNECTION_GRACE_S = 660
"""Seconds that calls get on a connection whose age is over."""
MAX_IDLE_S = 300

_ANYONE = Access(clients=("*",))
_PUBLIC = {
    "/grpc.health.v1.Health/Check": _ANYONE,
    "/grpc.health.v1.Health/List": _ANYONE,
    "/grpc.health.v1.Health/Watch": _ANYONE,
    f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": _ANYONE,
}

_log = log.get(__name__)
# It logs a traceback for each peer that has gone while we answer; a peer could fill the log.
logging.getLogger("grpc._cython.cygrpc").setLevel(logging.CRITICAL)


Behaviour = Callable[[Any, Any], Coroutine[Any, Any, Any]]
"""What grpc.aio calls with the requests, which we read by the context, and the context."""


@dataclass(frozen=True)
class Served:
    """One gRPC service of a process: how it is added to a server, its full name, and who may call
    which RPC.
    """

    add: Callable[[Any], None]
    name: str
    access: Mapping[str, Access]


def serve(
    config: ServerConfig,
    served: Sequence[Served],
    refused: Refusal,
    dependencies: Mapping[str, Callable[[], None]],
    stop: threading.Event,
) -> None:
    """Serve until `stop` is set, then report NOT_SERVING, give running calls `grace_s` to end,
    return.

    dependencies: name → check that raises when the dependency is away; run every two seconds.
        Health reports each by name, and "" (the whole) as SERVING only while all are.

    Raises RuntimeError when the port is taken, config.ConfigError when the issuers' keys cannot be
    read.
    """
    uvloop.run(_serve(config, served, refused, dependencies, stop))


async def _serve(
    config: ServerConfig,
    served: Sequence[Served],
    refused: Refusal,
    dependencies: Mapping[str, Callable[[], None]],
    stop: threading.Event,
) -> None:
    health = Health()
    workers, uploads = Workers(config.max_workers), _Uploads()
    table = {f"/{service.name}/{rpc}": access for service in served for rpc, access in service.access.items()}
    limits = Limits(
        config.calls_per_client, config.uploads_per_client, config.watches_per_client, config.bytes_per_client
    )
    loop = asyncio.get_running_loop()
    door = Door(
        loop=loop,
        config=config,
        table=table | _PUBLIC,
        verifier=TokenVerifier(config.issuers_file),
        refused=refused,
        shares=Shares(limits),
        workers=workers,
        clients=peer.Clients(config.tls.ca_file),
    )
    server = _server(config, _Methods(door, served, health, uploads))
    await server.start()
    _log.info("serving", listen=config.listen)
    warn_at = loop.time()
    while True:
        if loop.time() >= warn_at:
            warn_at += WARN_PERIOD_S
            await loop.run_in_executor(None, _warn_of_ends, config.tls)
        await _report_health(health, dependencies)
        if await loop.run_in_executor(None, stop.wait, HEALTH_PERIOD_S):
            break
    health.stop()
    await server.stop(config.grace_s)
    workers.close()
    uploads.close()
    _log.info("stopped")


def _server(config: ServerConfig, methods: grpc.GenericRpcHandler) -> grpc.aio.Server:
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", config.max_message_bytes),
            ("grpc.max_concurrent_streams", 256),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.max_connection_age_ms", MAX_CONNECTION_S * 1000),
            ("grpc.max_connection_age_grace_ms", CONNECTION_GRACE_S * 1000),
            ("grpc.max_connection_idle_ms", MAX_IDLE_S * 1000),
        ],
    )
    server.add_generic_rpc_handlers((methods,))
    if server.add_secure_port(config.listen, grpc_credentials.of_server(config.tls)) == 0:
        raise RuntimeError(f"cannot listen on {config.listen}")
    return server


class _Collector:
    """Takes the handlers of a generated ``add_…_to_server``: full name of the RPC → handler."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        self.handlers |= {f"/{service}/{rpc}": handler for rpc, handler in handlers.items()}

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """The same handlers again, for servers that know no other way."""


class _Methods(grpc.GenericRpcHandler):
    """Every RPC of the server, by its name."""

    def __init__(self, door: Door, served: Sequence[Served], health: Health, uploads: "_Uploads") -> None:
        self._door, self._uploads = door, uploads
        collector = _Collector()
        for service in served:
            service.add(collector)
        self._methods = {rpc: self._method(rpc, handler) for rpc, handler in collector.handlers.items()}
        of_loop = _Collector()
        health_pb2_grpc.add_HealthServicer_to_server(health, of_loop)
        names = [*(service.name for service in served), reflection.SERVICE_NAME]
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(ReflectionServicer(names), of_loop)
        for rpc, handler in of_loop.handlers.items():
            self._methods[rpc] = grpc.stream_stream_rpc_method_handler(self._in_loop(rpc, handler))

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """The handler of an RPC; None answers UNIMPLEMENTED."""
        return self._methods.get(details.method)

    def _method(self, rpc: str, handler: Any) -> Any:
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(self._download(rpc, handler))
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(self._upload(rpc, handler))
        return grpc.stream_unary_rpc_method_handler(self._unary(rpc, handler))

    # grpc.aio asks of each call whether its handler is a coroutine function, which takes longer for
    # methods and partial functions: hence functions made for each RPC.

    def _unary(self, rpc: str, handler: Any) -> Behaviour:
        deserialize, behaviour, serialize = (
            handler.request_deserializer,
            handler.unary_unary,
            handler.response_serializer,
        )

        async def unary(_: Any, context: Any) -> bytes:
            async with Call(self._door, rpc, context, "calls") as call:
                message = await call.receive_only()

                def answer() -> bytes:
                    request = call.parsed(deserialize, message)
                    return bytes(serialize(perform(behaviour, request, ServicerContext(call))))

                return call.answer(await call.work(answer))

        return unary

    def _upload(self, rpc: str, handler: Any) -> Behaviour:
        async def upload(_: Any, context: Any) -> bytes:
            async with Call(self._door, rpc, context, "uploads") as call:
                _check_deadline(call)

                def answer() -> bytes:
                    requests = call.messages(handler.request_deserializer)
                    response = perform(handler.stream_unary, requests, ServicerContext(call))
                    return bytes(handler.response_serializer(response))

                return call.answer(await self._uploads.run(lambda: call.within(answer)))

        return upload

    def _download(self, rpc: str, handler: Any) -> Behaviour:
        async def download(_: Any, context: Any) -> None:
            async with Call(self._door, rpc, context, "calls") as call:
                _check_deadline(call)
                message = await call.receive_only()
                responses: Iterator[Any] | None = None

                def following() -> bytes | None:
                    nonlocal responses
                    if responses is None:
                        request = call.parsed(handler.request_deserializer, message)
                        responses = iter(perform(handler.unary_stream, request, ServicerContext(call)))
                    response = next(responses, None)
                    return None if response is None else bytes(handler.response_serializer(response))

                while (chunk := await call.work(following)) is not None:
                    await call.send(chunk)

        return download

    def _in_loop(self, rpc: str, handler: Any) -> Behaviour:
        """Health and reflection, which are coroutines and need no thread."""

        async def in_loop(_: Any, context: Any) -> None:
            async with Call(self._door, rpc, context, "watches") as call:
                loop_context = _LoopContext(call, context, handler.response_serializer)
                try:
                    async with asyncio.timeout(WATCH_S):
                        await _answer_in_loop(handler, call, loop_context)
                except TimeoutError:
                    _log.info("watch ended", rpc=rpc, client=call.caller.client)

        return in_loop


async def _answer_in_loop(handler: Any, call: Call, context: "_LoopContext") -> None:
    if handler.request_streaming:
        async for response in handler.stream_stream(_requests(call, handler.request_deserializer), context):
            await context.write(response)
        return
    request = parse(handler.request_deserializer, await call.receive_only())
    if handler.response_streaming:
        await handler.unary_stream(request, context)
    else:
        await context.write(await handler.unary_unary(request, context))


async def _requests(call: Call, deserialize: Callable[[bytes], Any]) -> AsyncIterator[Any]:
    while (message := await call.receive()) is not None:
        yield parse(deserialize, message)


class _LoopContext:
    """The context of a servicer that is a coroutine: what it writes has a deadline too."""

    def __init__(self, call: Call, context: Any, serialize: Callable[[Any], bytes]) -> None:
        self._call, self._context, self._serialize = call, context, serialize

    async def write(self, response: Message) -> None:
        await self._call.send(self._serialize(response))

    async def abort(self, code: grpc.StatusCode, details: str = "") -> None:
        await self._context.abort(code, details)


class _Uploads:
    """A thread for each call that sends a stream: it waits for the peer between messages."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(UPLOADS, thread_name_prefix="upload")
        self._running = 0

    async def run(self, work: Callable[[], bytes]) -> bytes:
        """The answer of `work`. Raises Exhausted TOO_MANY_UPLOADS when no thread is free."""
        if self._running == UPLOADS:
            raise Exhausted("TOO_MANY_UPLOADS", "Đang có nhiều lượt gửi hàng loạt; hãy gửi lại sau ít phút.")
        self._running += 1
        loop = asyncio.get_running_loop()
        future = self._executor.submit(work)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._ended))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)

    def _ended(self) -> None:
        self._running -= 1


def _check_deadline(call: Call) -> None:
    """A call that streams ends by itself. Raises Invalid DEADLINE."""
    remaining = call.time_remaining()
    if remaining is None or remaining > MAX_STREAM_S * _ROUNDING:
        message = f"Lượt gọi phải có thời hạn (deadline) không quá {MAX_STREAM_S:.0f} giây."
        raise Invalid([Violation("", "DEADLINE", message)])


def _warn_of_ends(tls: TlsConfig) -> None:
    try:
        for line in peer.ends_soon(tls, datetime.now(UTC)):
            _log.warning("certificate ends soon", what=line)
    except ConfigError as e:
        _log.error("certificate unusable", error=str(e))


async def _report_health(health: Health, dependencies: Mapping[str, Callable[[], None]]) -> None:
    loop = asyncio.get_running_loop()
    whole = State.SERVING
    for name, check in dependencies.items():
        try:
            await loop.run_in_executor(None, check)
            state = State.SERVING
        except HosoError as e:
            _log.warning("dependency away", dependency=name, reason=e.reason)
            state = whole = State.NOT_SERVING
        health.set(name, state)
    health.set("", whole)
