"""Two schools in one gradebook, and short ways to register and move their students."""

from typing import Any

from hoso.gradebook.v1 import register_pb2

from demo import school as demo_school
from tests.integration.gradebook.world import World

Kind = register_pb2.MovementKind
State = register_pb2.StudentState
DAY = "2026-01-19"


def decision(number: str = "15/QĐ-THCS", date: str = "2026-01-16") -> register_pb2.Decision:
    return register_pb2.Decision(number=number, date=date)


def details(**fields: Any) -> register_pb2.RegisterDetails:
    return register_pb2.RegisterDetails(**{"nationality": "Việt Nam", **fields})


def register_all(world: World, **fields: Any) -> list[int]:
    """Register every student of the school by class and number."""
    rows = [
        register_pb2.RegisterRow(student=student.id, entered_on="2025-08-20", details=details(**fields))
        for school_class in world.school.classes
        for student in school_class.students
    ]
    answer = world.ask("RegisterStudents", person=world.school.seal_custodian, **world.year, rows=rows)
    return list(answer.register_numbers)


def move(world: World, student: str, kind: str, *, date: str = DAY, person: str | None = None, **fields: Any) -> Any:
    fields.setdefault("decision", decision())
    return world.ask(
        "RecordMovement",
        person=person or world.school.principal,
        **world.year,
        student=student,
        kind=Kind.Value(f"MOVEMENT_KIND_{kind}"),
        date=date,
        **fields,
    ).movement


def transfer_out(world: World, student: str, *, date: str = DAY, **fields: Any) -> Any:
    fields.setdefault("decision", decision("07/GGTCT"))
    return world.ask(
        "TransferOut", person=world.school.principal, **world.year, student=student, date=date, **fields
    ).movement


def transfer_in(world: World, student: str, *, date: str = DAY, class_index: int = 0, **fields: Any) -> Any:
    fields.setdefault("decision", decision("21/QĐ-TN"))
    return world.ask(
        "TransferIn",
        person=world.school.principal,
        school_class=world.ref(world.school.classes[class_index]),
        student=student,
        date=date,
        **fields,
    )


def state(world: World, student: str) -> str:
    entry = line(world, student)
    return State.Name(entry.state).removeprefix("STUDENT_STATE_") if entry else "NOT_REGISTERED"


def line(world: World, student: str) -> Any:
    """The register's line of a student."""
    entries = world.ask("GetRegister", school=world.school.code).entries
    return next((entry for entry in entries if entry.student.moet_student_id == student), None)


def another(first: World, code: str, client: str, *, classes: int = 1, students: int = 5) -> World:
    """Another school in the same gradebook, served by another vendor, with an open window."""
    world = World(
        first.pki,
        first.database,
        first.address,
        demo_school.school(classes=classes, students_per_class=students, code=code),
    )
    world.put_roster()
    world.put_year(vendor=client.removeprefix("vendor/"))
    world.client = client
    world.plan_window()
    return world
