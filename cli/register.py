"""`hoso register`: a school's student register and its students' movements."""

from typing import Annotated

import typer
from hoso.gradebook.v1 import register_pb2

from cli.connection import every, operator
from cli.output import show

app = typer.Typer(no_args_is_help=True)

_STATES = {
    "STUDYING": "đang học",
    "SUSPENDED": "bảo lưu",
    "TRANSFERRED_OUT": "chuyển đi",
    "WITHDRAWN": "thôi học",
    "GRADUATED": "hoàn thành",
}
_KINDS = {
    "ENROLLED": "nhập học",
    "TRANSFERRED_IN": "chuyển đến",
    "TRANSFERRED_OUT": "chuyển đi",
    "CLASS_CHANGED": "chuyển lớp",
    "SUSPENDED": "bảo lưu",
    "WITHDRAWN": "thôi học",
    "RETURNED": "trở lại",
    "GRADUATED": "hoàn thành",
    "PAPERS_RETURNED": "trả giấy tờ",
}
School = Annotated[str, typer.Option("--school", help="School code.")]


@app.command("show")
def show_register(
    school: School,
    year: Annotated[str, typer.Option("--year", help="School year, such as 2025-2026; without it all years.")] = "",
) -> None:
    """The student register, by register number."""
    request = register_pb2.GetRegisterRequest(school=school, school_year=year)
    entries = every(operator().register.GetRegister, request, "entries")
    rows = [
        (
            entry.register_number,
            entry.student.moet_student_id,
            entry.student.name,
            entry.student.birth_date,
            ", ".join(f"{place.school_year} {place.class_name}" for place in entry.years),
            entry.entered_on,
            _word(_STATES, register_pb2.StudentState.Name(entry.state), "STUDENT_STATE_"),
            entry.left_on,
        )
        for entry in entries
    ]
    columns = ("số đăng bộ", "mã học sinh", "họ và tên", "ngày sinh", "lớp", "vào trường", "hiện tại", "từ ngày")
    show(f"Sổ đăng bộ của trường {school} {year}".rstrip(), columns, rows, entries)


@app.command("movements")
def show_movements(
    school: School,
    year: Annotated[str, typer.Option("--year", help="School year, such as 2025-2026.")] = "",
    student: Annotated[str, typer.Option("--student", help="moet_student_id; without it everyone.")] = "",
) -> None:
    """The movements of a school year, or of one student, oldest first."""
    request = register_pb2.ListMovementsRequest(school=school, school_year=year, student=student)
    movements = every(operator().register.ListMovements, request, "movements")
    rows = [
        (
            movement.date,
            movement.student,
            _word(_KINDS, register_pb2.MovementKind.Name(movement.kind), "MOVEMENT_KIND_"),
            movement.from_class,
            movement.to_class,
            movement.other_school_name,
            movement.decision.number,
            movement.person,
        )
        for movement in movements
    ]
    columns = ("ngày", "mã học sinh", "biến động", "từ lớp", "đến lớp", "trường kia", "quyết định", "người ghi")
    show(f"Biến động học sinh của trường {school} {year}".rstrip(), columns, rows, movements)


def _word(words: dict[str, str], name: str, prefix: str) -> str:
    code = name.removeprefix(prefix)
    return words.get(code, code)
