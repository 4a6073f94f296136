"""What the edge costs, and what a hostile client takes from another.

`edge.call`: one call through our server, with certificate, share, access table, token, limits and
request context, against the same call through a bare `grpc.aio` server with the same TLS, loop and
threads. Nothing but the edge differs: the method answers at once.

`edge.hostile`: the p99 of a client's calls while another client holds a hundred connections with
calls whose requests never come, as many as it may and again as soon as they are ended, against the
p99 of the same client alone.
"""

import asyncio
import contextlib
import itertools
import logging
import multiprocessing
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import structlog
import uvloop
from hoso.operations.v1 import operations_pb2 as pb
from hoso.operations.v1 import operations_pb2_grpc

from bench import mark_school
from bench import stack as stacks
from bench.entry_latency import percentile
from bench.pairs import Settings, Slice, Tell, middle, take_turns
from bench.report import Row, compared
from deploy.local import pki
from deploy.local.layout import HOST, Stack
from services.common import grpc_credentials, grpc_server, tokens
from services.common.grpc_client import channel
from services.common.grpc_server import Served
from services.common.identity import Access
from services.common.settings import PeerConfig, ServerConfig, TlsConfig

CALL_TARGET, HOSTILE_TARGET = 0.9, 0.8
AGAINST = "a bare grpc.aio server with the same TLS, loop and threads"
ALONE = "the same client alone"
CONNECTIONS, HELD = 100, 4
_CALLERS = 4
_SERVICE, _OTHER = "archive", "operator/department"
_VENDOR = f"vendor/{mark_school.VENDOR}"
_NAME = "hoso.operations.v1.OperationsService"
_METHOD = f"/{_NAME}/GetStatus"
_ANSWER = pb.GetStatusResponse(jobs_open=1)
_PAUSE_S = 1.0
Metadata = tuple[tuple[str, str]]
_START_S = 30.0


def measure(stack: Stack, settings: Settings, tell: Tell) -> list[Row]:
    """Both rows."""
    with _server(stack, _serve_guarded) as guarded, _server(stack, _serve_bare) as bare:
        system, reference = _Callers(stack, guarded), _Callers(stack, bare)
        tell(f"{_CALLERS} callers in a closed loop, a token with each call")
        rates = take_turns(
            settings.pairs,
            lambda _: system.run(settings.seconds),
            {AGAINST: lambda _: reference.run(settings.seconds)},
            tell,
        )
        rows = [compared("edge.call", "calls/s", rates, AGAINST, target=CALL_TARGET, note=f"{_CALLERS} callers")]
        rows.append(_beside_a_hostile_client(stack, guarded, settings, tell))
    return rows


def _beside_a_hostile_client(stack: Stack, address: str, settings: Settings, tell: Tell) -> Row:
    other = _Callers(stack, address)
    alone, together = [], []
    for pair in range(settings.pairs):
        alone.append(percentile(other.times(settings.seconds), 99))
        with _hostile(stack, address):
            together.append(percentile(other.times(settings.seconds), 99))
        tell(f"pair {pair + 1} of {settings.pairs}: p99 {together[-1] * 1000:.2f} ms, alone {alone[-1] * 1000:.2f} ms")
    ratios = [quiet / held for quiet, held in zip(alone, together, strict=True)]
    return Row(
        "edge.hostile.p99",
        middle(together) * 1000,
        "ms",
        reference=middle(alone) * 1000,
        ratio=middle(ratios),
        ratio_min=min(ratios),
        target=HOSTILE_TARGET,
        pairs=len(ratios),
        against=ALONE,
        note=f"another client holds {CONNECTIONS} connections with {HELD} calls each",
    )


class _Callers:
    """Clients that call one after the other, each in its own thread, on one connection."""

    def __init__(self, stack: Stack, address: str) -> None:
        self._channel = channel(PeerConfig(address, stacks.tls(stack, _OTHER)), _SERVICE)
        grpc.channel_ready_future(self._channel).result(_START_S)
        stub = operations_pb2_grpc.OperationsServiceStub(self._channel)
        metadata = _token(stack, _OTHER)
        self._call: Callable[[], object] = lambda: stub.GetStatus(pb.GetStatusRequest(), timeout=30, metadata=metadata)

    def run(self, seconds: float) -> Slice:
        """How many calls were answered."""
        began = time.perf_counter()
        return Slice(len(self.times(seconds)), time.perf_counter() - began)

    def times(self, seconds: float) -> list[float]:
        """How long each call took, in seconds."""
        end = time.perf_counter() + seconds

        def repeat(_: int) -> list[float]:
            durations = []
            while (began := time.perf_counter()) < end:
                self._call()
                durations.append(time.perf_counter() - began)
            return durations

        with ThreadPoolExecutor(_CALLERS) as pool:
            return list(itertools.chain.from_iterable(pool.map(repeat, range(_CALLERS))))


def _token(stack: Stack, client: str) -> Metadata:
    key = (stack.pki / "issuer.key").read_text(encoding="utf-8")
    token = tokens.issue(pki.ISSUER, key, client=client, person="bench", school="31000705")
    return (("authorization", f"Bearer {token}"),)


@contextlib.contextmanager
def _server(stack: Stack, serve: Callable[[ServerConfig], None]) -> Iterator[str]:
    """A server in a process of its own; its address."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        address = f"{HOST}:{probe.getsockname()[1]}"
    config = ServerConfig(address, stacks.tls(stack, f"service/{_SERVICE}"), stack.pki / "issuers.json")
    with _process(serve, config):
        yield address


@contextlib.contextmanager
def _hostile(stack: Stack, address: str) -> Iterator[None]:
    ready = multiprocessing.get_context("spawn").Event()
    with _process(_hold, address, stacks.tls(stack, _VENDOR), _token(stack, _VENDOR), ready):
        if not ready.wait(_START_S):
            raise TimeoutError("the hostile client does not connect")
        yield


@contextlib.contextmanager
def _process(work: Callable[..., None], *arguments: object) -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _serve_guarded(config: ServerConfig) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    handler = grpc.unary_unary_rpc_method_handler(
        lambda _request, _context: _ANSWER, pb.GetStatusRequest.FromString, pb.GetStatusResponse.SerializeToString
    )
    served = Served(
        add=lambda server: server.add_registered_method_handlers(_NAME, {"GetStatus": handler}),
        name=_NAME,
        access={"GetStatus": Access((_OTHER, _VENDOR), person=True)},
    )
    grpc_server.serve(config, [served], lambda *_: None, {}, threading.Event())


def _serve_bare(config: ServerConfig) -> None:
    uvloop.run(_bare(config))


async def _bare(config: ServerConfig) -> None:
    loop, threads = asyncio.get_running_loop(), ThreadPoolExecutor(config.max_workers)

    async def answer(message: bytes, _: Any) -> bytes:
        return await loop.run_in_executor(threads, work, message)

    def work(message: bytes) -> bytes:
        pb.GetStatusRequest.FromString(message)
        return _ANSWER.SerializeToString()

    server = grpc.aio.server()
    handler = grpc.method_handlers_generic_handler(_NAME, {"GetStatus": grpc.unary_unary_rpc_method_handler(answer)})
    server.add_generic_rpc_handlers((handler,))
    server.add_secure_port(config.listen, grpc_credentials.of_server(config.tls))
    await server.start()
    await server.wait_for_termination()


def _hold(address: str, tls: TlsConfig, metadata: Metadata, ready: Any) -> None:
    uvloop.run(_hold_calls(address, tls, metadata, ready))


async def _hold_calls(address: str, tls: TlsConfig, metadata: Metadata, ready: Any) -> None:
    name = ("grpc.ssl_target_name_override", f"{_SERVICE}.service.hoso")
    options = [name, ("grpc.use_local_subchannel_pool", 1)]  # a connection for each channel
    credentials = grpc_credentials.of_client(tls)
    channels = [grpc.aio.secure_channel(address, credentials, options) for _ in range(CONNECTIONS)]
    for opened in channels:
        await opened.channel_ready()
    ready.set()
    await asyncio.gather(*(_hold_one(opened, metadata) for opened in channels for _ in range(HELD)))


async def _hold_one(opened: grpc.aio.Channel, metadata: Metadata) -> None:
    """Begin a call and send nothing; when it is refused or ended, begin the next."""
    rpc: Any = opened.stream_unary(_METHOD)
    while True:
        with contextlib.suppress(grpc.aio.AioRpcError):
            await rpc(timeout=3600, metadata=metadata)
        await asyncio.sleep(_PAUSE_S)
