"""The gRPC edge with a real server, real certificates and a real database: who gets in, what others
are told.
"""

import threading
import time
from collections.abc import Callable, Iterator

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hoso.operations.v1 import operations_pb2, operations_pb2_grpc

from services.common.db import Database
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
from services.common.grpc_client import calling
from tests.integration.edge.served import Edge, Status, tls, token
from tests.servers import Pki
from tests.waiting import eventually


@pytest.fixture(scope="module")
def edge(pki_files: Pki, db: Database) -> Iterator[Edge]:
    stop = threading.Event()
    edge = Edge(pki_files, db, stop)
    grpc.channel_ready_future(edge.channel("operator/department")).result(timeout=10)
    yield edge
    stop.set()
    edge.thread.join(20)
    assert not edge.thread.is_alive()


def refusals(db: Database) -> list[tuple[str, str]]:
    with db.transaction() as tx:
        rows = tx.execute("SELECT client, facts->>'reason' FROM audit_entry WHERE chain = 'access' ORDER BY sequence")
        return [(row[0], row[1]) for row in rows]


def refused(call: Callable[[], object], kind: type[HosoError], reason: str) -> None:
    with pytest.raises(kind) as caught, calling("archive"):
        call()
    assert caught.value.reason == reason


def test_an_allowed_client_is_served(edge: Edge) -> None:
    assert edge.stub("operator/department").GetStatus(Status(), timeout=5).jobs_dead == 0


def test_a_client_that_the_table_does_not_name_is_refused_and_recorded(edge: Edge, db: Database) -> None:
    refused(lambda: edge.stub("vendor/vietschool").GetStatus(Status(), timeout=5), Forbidden, "CLIENT_NOT_ALLOWED")
    assert refusals(db)[-1] == ("vendor/vietschool", "CLIENT_NOT_ALLOWED")


def test_no_certificate_and_a_foreign_certificate_reach_no_handler(edge: Edge, pki_files: Pki) -> None:
    ca = tls(pki_files, "service/archive").ca_file.read_bytes()
    named = (("grpc.ssl_target_name_override", "archive.service.hoso"),)
    without = grpc.secure_channel(edge.address, grpc.ssl_channel_credentials(ca), named)
    with pytest.raises(grpc.RpcError) as caught:
        operations_pb2_grpc.OperationsServiceStub(without).GetStatus(Status(), timeout=3)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(grpc.RpcError):
        operations_pb2_grpc.OperationsServiceStub(grpc.insecure_channel(edge.address)).GetStatus(Status(), timeout=3)


def call_as(edge: Edge, authorization: str) -> Callable[[], object]:
    stub = edge.stub("vendor/smas")
    request = operations_pb2.ReplayJobRequest(job=999)
    return lambda: stub.ReplayJob(request, timeout=5, metadata=(("authorization", authorization),))


def test_person_tokens(edge: Edge, pki_files: Pki, db: Database) -> None:
    stub = edge.stub("vendor/smas")
    without = lambda: stub.ReplayJob(operations_pb2.ReplayJobRequest(job=999), timeout=5)  # noqa: E731
    refused(without, Unauthenticated, "PERSON_REQUIRED")
    refused(call_as(edge, f"Bearer {token(pki_files)}"), NotFound, "JOB_NOT_FOUND")
    refused(call_as(edge, f"Bearer {token(pki_files, lifetime_s=-60)}"), Unauthenticated, "TOKEN_EXPIRED")
    refused(call_as(edge, f"Bearer {token(pki_files, lifetime_s=13 * 3600)}"), Unauthenticated, "TOKEN_INVALID")
    refused(call_as(edge, "Basic Zm9v"), Unauthenticated, "TOKEN_INVALID")
    refused(call_as(edge, "Bearer garbage"), Unauthenticated, "TOKEN_INVALID")
    forger = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    refused(call_as(edge, f"Bearer {token(pki_files, key=forger.decode())}"), Unauthenticated, "TOKEN_INVALID")
    assert refusals(db)[-1] == ("vendor/smas", "TOKEN_INVALID")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotFound("THING_UNKNOWN", "không có", thing="x"), NotFound),
        (Conflict("NAME_TAKEN", "đã dùng"), Conflict),
        (Rejected("BOOK_STATE", "chưa được", state="SEALED"), Rejected),
        (Unavailable("STORE_AWAY", "chờ"), Unavailable),
    ],
)
def test_errors_arrive_as_they_were_raised(edge: Edge, error: HosoError, kind: type[HosoError]) -> None:
    def fail() -> None:
        raise error

    edge.behaviour = fail
    with pytest.raises(kind) as caught, calling("archive"):
        edge.stub("operator/department").GetStatus(Status(), timeout=8)
    edge.behaviour = lambda: None
    assert (caught.value.reason, caught.value.message, caught.value.facts) == (error.reason, error.message, error.facts)


def test_every_violation_arrives_with_field_rule_and_sentence(edge: Edge) -> None:
    wrong = [
        Violation("rows[3].values[1]", "MARK_OUT_OF_RANGE", "Điểm phải từ 0 đến 10."),
        Violation("rows[7].student", "STUDENT_UNKNOWN", "Không có học sinh này."),
    ]

    def fail() -> None:
        raise Invalid(wrong)

    edge.behaviour = fail
    with pytest.raises(Invalid) as caught, calling("archive"):
        edge.stub("operator/department").GetStatus(Status(), timeout=5)
    edge.behaviour = lambda: None
    assert list(caught.value.violations) == wrong


def test_a_bug_says_nothing_about_its_cause(edge: Edge) -> None:
    def fail() -> None:
        raise ValueError("Nguyễn Văn An: 9.5")

    edge.behaviour = fail
    with pytest.raises(grpc.RpcError) as caught:
        edge.stub("operator/department").GetStatus(Status(), timeout=5)
    edge.behaviour = lambda: None
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert caught.value.details() == "internal error"


def test_health_follows_each_dependency(edge: Edge) -> None:
    health = health_pb2_grpc.HealthStub(edge.channel("vendor/smas"))

    def state(service: str) -> int:
        return health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status

    def becomes(expected: int) -> None:
        eventually(lambda: (state("database"), state("")) == (expected, expected))

    becomes(health_pb2.HealthCheckResponse.SERVING)
    edge.database_away = True
    becomes(health_pb2.HealthCheckResponse.NOT_SERVING)
    edge.database_away = False
    becomes(health_pb2.HealthCheckResponse.SERVING)


def test_reflection_names_the_services(edge: Edge) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(edge.channel("vendor/smas"))
    answers = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=5)
    names = {service.name for service in next(answers).list_services_response.service}
    assert "hoso.operations.v1.OperationsService" in names


def test_a_running_call_ends_before_the_server_does(pki_files: Pki, db: Database) -> None:
    stop = threading.Event()
    edge = Edge(pki_files, db, stop)
    grpc.channel_ready_future(edge.channel("operator/department")).result(timeout=10)
    running = threading.Event()

    def slow() -> None:
        running.set()
        time.sleep(1.5)

    edge.behaviour = slow
    answer = edge.stub("operator/department").GetStatus.future(Status(), timeout=10)
    assert running.wait(5)
    stop.set()
    assert answer.result().jobs_dead == 0
    edge.thread.join(15)
    assert not edge.thread.is_alive()


def test_a_value_that_only_the_database_refuses_is_the_callers_fault(edge: Edge) -> None:
    with pytest.raises(Invalid) as caught, calling("archive"):
        edge.stub("operator/department").ListDeadJobs(
            operations_pb2.ListDeadJobsRequest(page_token="9" * 60), timeout=5
        )
    assert [violation.rule for violation in caught.value.violations] == ["PAGE_TOKEN"]

    def fail() -> None:
        with Database(edge.database.config).transaction() as tx:
            tx.execute("SELECT %s::int4", (2**40,))

    edge.behaviour = fail
    with pytest.raises(Invalid) as caught, calling("archive"):
        edge.stub("operator/department").GetStatus(Status(), timeout=5)
    edge.behaviour = lambda: None
    assert [violation.rule for violation in caught.value.violations] == ["VALUE"]


def test_text_that_postgres_cannot_store_is_named_wherever_it_stands(edge: Edge) -> None:
    """In a list, and in the middle of a stream."""
    request = operations_pb2.VerifyAuditChainsRequest()
    for chain in ("school/S1", "school/\0"):
        request.anchored.add(chain=chain, sequence=1, sha256=bytes(32))
    with pytest.raises(Invalid) as caught, calling("archive"):
        list(edge.stub("operator/department").VerifyAuditChains(request, timeout=10))
    assert [(v.field, v.rule) for v in caught.value.violations] == [("anchored[1].chain", "CONTROL_CHARACTER")]
