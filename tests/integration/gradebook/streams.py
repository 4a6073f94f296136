"""Short ways to send and read streams of score sheets."""

from collections.abc import Iterable, Mapping
from typing import Any

from hoso.gradebook.v1 import marks_pb2, marks_pb2_grpc, remarks_pb2

from demo.school import SchoolClass
from services.common.grpc_client import calling
from tests.integration.gradebook.world import VENDOR, World, columns

DEADLINE_S = 60.0


def sheet(
    world: World,
    school_class: SchoolClass,
    subject: str,
    semester: int,
    columns: list[tuple[int, int]],
    *,
    rows: Mapping[str, list[str]],
    person: str | None = None,
    token: str | None = None,
    request_id: str | None = None,
    remarks: Mapping[str, str] | None = None,
) -> marks_pb2.ImportMarksRequest:
    """A sheet with the token of its first teacher, or of the person named, or as given."""
    return marks_pb2.ImportMarksRequest(
        sheet=marks_pb2.EnterMarksRequest(
            **world.sheet(school_class, subject, semester, columns, rows, request_id=request_id)
        ),
        person_token=world.token(person or school_class.assignments[subject][0]) if token is None else token,
        remarks=[remarks_pb2.RemarkRow(student=student, text=text) for student, text in (remarks or {}).items()],
    )


def demo_sheets(world: World, school_class: SchoolClass, semester: int) -> list[marks_pb2.ImportMarksRequest]:
    """Every sheet of a class and semester, complete."""
    return [
        sheet(
            world,
            school_class,
            subject.code,
            semester,
            columns(subject),
            rows=world.school.sheet(school_class, subject, semester),
        )
        for subject in world.school.subjects[school_class.grade]
    ]


def send(
    world: World,
    sheets: Iterable[marks_pb2.ImportMarksRequest],
    *,
    client: str = VENDOR,
    token: str | None = None,
    timeout_s: float | None = DEADLINE_S,
) -> list[marks_pb2.ImportedSheet]:
    """ImportMarks; errors come out as services.common.errors."""
    stub = marks_pb2_grpc.MarkServiceStub(world.channel(client))
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with calling("gradebook"):
        return list(stub.ImportMarks(iter(sheets), timeout=timeout_s, metadata=metadata).sheets)


def export(
    world: World, *, client: str = VENDOR, timeout_s: float | None = DEADLINE_S, **fields: Any
) -> list[marks_pb2.ExportMarksResponse]:
    """ExportMarks of the world's school year."""
    stub = marks_pb2_grpc.MarkServiceStub(world.channel(client))
    with calling("gradebook"):
        request = marks_pb2.ExportMarksRequest(**{**world.year, **fields})
        return list(stub.ExportMarks(request, timeout=timeout_s))
