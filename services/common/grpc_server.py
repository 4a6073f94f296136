"""The gRPC edge of every service: mTLS, callers, access (deny by default), errors, health,
stopping.

Servicers stay plain: they turn messages into arguments, call a use case and raise the errors of
`errors`. One interceptor does the rest: client name → person token → access table → handler → error
mapping.
"""

import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
import psycopg
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from services.common import identity, log
from services.common.errors import (
    Conflict,
    Forbidden,
    HosoError,
    Invalid,
    NotFound,
    Rejected,
    Unauthenticated,
    Unavailable,
    Violation,
)
from services.common.identity import Access, Caller, TokenVerifier
from services.common.settings import ServerConfig

ERROR_DOMAIN = "hoso"
HEALTH_PERIOD_S = 2.0

_CODES: dict[type[HosoError], int] = {
    Invalid: code_pb2.INVALID_ARGUMENT,
    NotFound: code_pb2.NOT_FOUND,
    Conflict: code_pb2.ALREADY_EXISTS,
    Rejected: code_pb2.FAILED_PRECONDITION,
    Unauthenticated: code_pb2.UNAUTHENTICATED,
    Forbidden: code_pb2.PERMISSION_DENIED,
    Unavailable: code_pb2.UNAVAILABLE,
}
_ANYONE = Access(clients=("*",))
_PUBLIC = {
    "/grpc.health.v1.Health/Check": _ANYONE,
    "/grpc.health.v1.Health/Watch": _ANYONE,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _ANYONE,
}

_log = log.get(__name__)

Refusal = Callable[[Caller, str, HosoError], None]
"""Called with caller, RPC and error after a refusal, to write an audit row."""


@dataclass(frozen=True)
class Served:
    """One gRPC service of a process: how it is added to a server, its full name, and who may call
    which RPC.
    """

    add: Callable[[grpc.Server], None]
    name: str
    access: Mapping[str, Access]


def status_of(error: HosoError) -> status_pb2.Status:
    """The gRPC status of an expected error: code, ErrorInfo, and BadRequest with every violation
    (AIP-193).
    """
    status = status_pb2.Status(code=_CODES.get(type(error), code_pb2.UNKNOWN), message=error.message)
    _attach(status, error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=error.facts))
    if isinstance(error, Invalid):
        bad = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad.field_violations.add(field=violation.field, reason=violation.rule, description=violation.message)
        _attach(status, bad)
    return status


def build(config: ServerConfig, served: Sequence[Served], refused: Refusal) -> grpc.Server:
    """A server with all interceptors, health and reflection, bound to its port but not started.

    Raises RuntimeError when the port is taken, config.ConfigError when the issuers' keys cannot be
    read.
    """
    table = {f"/{service.name}/{rpc}": access for service in served for rpc, access in service.access.items()} | _PUBLIC
    server = grpc.server(
        ThreadPoolExecutor(max_workers=config.max_workers, thread_name_prefix="rpc"),
        interceptors=[_Edge(table, TokenVerifier(config.issuers_file), refused)],
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", config.max_message_bytes),
            ("grpc.max_concurrent_streams", 256),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 20_000),
            ("grpc.keepalive_permit_without_calls", 1),
        ],
    )
    for service in served:
        service.add(server)
    reflection.enable_server_reflection([*(service.name for service in served), reflection.SERVICE_NAME], server)
    tls = config.tls
    credentials = grpc.ssl_server_credentials(
        [(tls.key_file.read_bytes(), tls.cert_file.read_bytes())],
        root_certificates=tls.ca_file.read_bytes(),
        require_client_auth=True,
    )
    if server.add_secure_port(config.listen, credentials) == 0:
        raise RuntimeError(f"cannot listen on {config.listen}")
    return server


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
    """
    server = build(config, served, refused)
    health_servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    server.start()
    _log.info("serving", listen=config.listen)
    while True:
        _report_health(health_servicer, dependencies)
        if stop.wait(HEALTH_PERIOD_S):
            break
    health_servicer.enter_graceful_shutdown()
    server.stop(config.grace_s).wait(config.grace_s + 5)
    _log.info("stopped")


class _Edge(grpc.ServerInterceptor):
    def __init__(self, table: Mapping[str, Access], verifier: TokenVerifier, refused: Refusal) -> None:
        self._table = table
        self._verifier = verifier
        self._refused = refused
        self._handlers: dict[str, Any] = {}

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        rpc = details.method
        if rpc not in self._handlers:
            handler = continuation(details)
            if handler is None:
                return None
            self._handlers[rpc] = self._guarded(rpc, handler)
        return self._handlers[rpc]

    def _guarded(self, rpc: str, handler: Any) -> Any:
        """The handler of an RPC, wrapped in `_Call`."""
        if handler.response_streaming:
            inner = handler.unary_stream or handler.stream_stream

            def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
                with self._around(rpc, request, context):
                    yield from inner(request, context)

            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            return make(stream, handler.request_deserializer, handler.response_serializer)
        inner = handler.unary_unary or handler.stream_unary

        def call(request: Any, context: grpc.ServicerContext) -> Any:
            with self._around(rpc, request, context):
                return inner(request, context)

        make = (
            grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
        )
        return make(call, handler.request_deserializer, handler.response_serializer)

    def _around(self, rpc: str, request: Any, context: grpc.ServicerContext) -> "_Call":
        return _Call(self._table, self._verifier, self._refused, rpc=rpc, request=request, context=context)


class _Call:
    """One call: identifies the caller and checks access; on exit turns an error into a status."""

    def __init__(
        self,
        table: Mapping[str, Access],
        verifier: TokenVerifier,
        refused: Refusal,
        *,
        rpc: str,
        request: Any,
        context: grpc.ServicerContext,
    ) -> None:
        self._table, self._verifier, self._refused = table, verifier, refused
        self._rpc, self._request, self._context = rpc, request, context
        self._caller = Caller(client="unknown")

    def __enter__(self) -> None:
        try:
            self._identify()
        except HosoError as e:
            self._fail(e)

    def __exit__(self, kind: Any, error: BaseException | None, tb: Any) -> None:
        if error is None or isinstance(error, GeneratorExit):
            return
        if isinstance(error, HosoError):
            self._fail(error)
        if isinstance(error, grpc.RpcError) and not self._context.is_active():
            _log.info("caller gone", rpc=self._rpc, client=self._caller.client)
            return
        # Text that PostgreSQL cannot store and no use case refused is the caller's fault, not a
        # bug.
        if (
            isinstance(error, psycopg.DataError)
            and isinstance(self._request, Message)
            and (violations := list(_nul_characters(self._request)))
        ):
            self._fail(Invalid(violations))
        # The message of a library's exception may quote a row; type and place suffice to find the
        # bug.
        _log.error("internal error", rpc=self._rpc, error=type(error).__name__, frames="".join(traceback.format_tb(tb)))
        self._abort(status_pb2.Status(code=code_pb2.INTERNAL, message="internal error"))

    def _identify(self) -> None:
        names: Iterable[bytes] = self._context.auth_context().get("x509_subject_alternative_name", ())  # type: ignore[assignment]
        client = identity.client_of(names)
        self._caller = Caller(client=client)
        token = dict(self._context.invocation_metadata()).get("authorization")
        if isinstance(token, str):
            scheme, _, value = token.partition(" ")
            if scheme.lower() != "bearer":
                raise Unauthenticated("TOKEN_INVALID", "Mã xác thực phải có dạng “Bearer …”.")
            person, school = self._verifier.verify(value)
            self._caller = Caller(client=client, person=person, school=school)
        identity.acting(self._caller)
        identity.verifying(self._verifier)
        identity.check_access(self._rpc, client, self._table.get(self._rpc), has_person=self._caller.person is not None)

    def _fail(self, error: HosoError) -> None:
        if isinstance(error, Forbidden | Unauthenticated):
            _log.warning("refused", rpc=self._rpc, client=self._caller.client, reason=error.reason)
            self._refused(self._caller, self._rpc, error)
        self._abort(status_of(error))

    def _abort(self, status: status_pb2.Status) -> None:
        self._context.abort_with_status(rpc_status.to_status(status))


def _report_health(servicer: health.HealthServicer, dependencies: Mapping[str, Callable[[], None]]) -> None:
    whole = health_pb2.HealthCheckResponse.SERVING
    for name, check in dependencies.items():
        try:
            check()
            state = health_pb2.HealthCheckResponse.SERVING
        except HosoError as e:
            _log.warning("dependency away", dependency=name, reason=e.reason)
            state = whole = health_pb2.HealthCheckResponse.NOT_SERVING
        servicer.set(name, state)
    servicer.set("", whole)


def _nul_characters(message: Message, prefix: str = "") -> Iterator[Violation]:
    """Names and ids of a request that hold U+0000. The use case checks lists of rows."""
    for field, value in message.ListFields():
        if field.is_repeated:
            continue
        if field.type == field.TYPE_STRING and "\0" in value:
            yield Violation(f"{prefix}{field.name}", "CONTROL_CHARACTER", "Có ký tự điều khiển U+0000.")
        elif field.type == field.TYPE_MESSAGE:
            yield from _nul_characters(value, f"{prefix}{field.name}.")


def _attach(status: status_pb2.Status, detail: Any) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)
