"""`hoso books`: the record books of a school and their history."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer
from hoso.gradebook.v1 import books_pb2, common_pb2

from cli import words
from cli.connection import Services, call, download, every, operator
from cli.output import Output, show, show_json

app = typer.Typer(no_args_is_help=True)


class RecordType(StrEnum):
    """Type of a record book."""

    CLASS_BOOK = "CLASS_BOOK"
    TEACHER_BOOK = "TEACHER_BOOK"
    TRANSCRIPT = "TRANSCRIPT"
    STUDENT_REGISTER = "STUDENT_REGISTER"


class Level(StrEnum):
    """Level of grades."""

    LOWER_SECONDARY = "LOWER_SECONDARY"
    UPPER_SECONDARY = "UPPER_SECONDARY"


_PREPARERS = {
    books_pb2.PREPARER_HOMEROOM_TEACHER: "giáo viên chủ nhiệm",
    books_pb2.PREPARER_SUBJECT_TEACHER: "giáo viên bộ môn",
    books_pb2.PREPARER_SEAL_CUSTODIAN: "văn thư",
}
_ROLES = {
    books_pb2.SIGNATORY_ROLE_SUBJECT_TEACHER: "giáo viên bộ môn",
    books_pb2.SIGNATORY_ROLE_HOMEROOM_TEACHER: "giáo viên chủ nhiệm",
    books_pb2.SIGNATORY_ROLE_DATA_OFFICER: "cán bộ phụ trách CSDL",
    books_pb2.SIGNATORY_ROLE_PRINCIPAL: "Hiệu trưởng",
    books_pb2.SIGNATORY_ROLE_SCHOOL_SEAL: "dấu của trường",
}
_STAGES = {
    common_pb2.STAGE_SEMESTER_1: "học kì I",
    common_pb2.STAGE_WHOLE_YEAR: "cả năm",
    common_pb2.STAGE_AFTER_SUMMER: "sau hè",
}


def state_name(state: int) -> str:
    """The state without its enum prefix, such as ``SEALED``."""
    return books_pb2.BookState.Name(books_pb2.BookState.ValueType(state)).removeprefix("BOOK_STATE_")


def record_type_name(record_type: int) -> str:
    """The record type without its enum prefix, such as ``CLASS_BOOK``."""
    return common_pb2.RecordType.Name(common_pb2.RecordType.ValueType(record_type)).removeprefix("RECORD_TYPE_")


def all_books(
    services: Services,
    school: str,
    school_year: str,
    record_type: "common_pb2.RecordType.ValueType" = common_pb2.RECORD_TYPE_CLASS_BOOK,
    *,
    class_name: str = "",
    states: "Sequence[books_pb2.BookState.ValueType]" = (),
) -> list[books_pb2.Book]:
    """Every book of one type in a school year. class_name, states: only those; empty for all."""
    request = books_pb2.ListBooksRequest(
        school=school, school_year=school_year, record_type=record_type, class_name=class_name, states=states
    )
    return every(services.books.ListBooks, request, "books")


@app.command("list")
def list_books(
    school: Annotated[str, typer.Argument(help="School code.")],
    school_year: Annotated[str, typer.Argument(help="School year, such as 2025-2026.")],
    type_: Annotated[RecordType, typer.Option("--type", help="Type of the books.")] = RecordType.CLASS_BOOK,
    class_name: Annotated[str, typer.Option("--class", help="Only those of this class.")] = "",
) -> None:
    """The books of one type in a school year, with their states."""
    record_type = common_pb2.RecordType.Value(f"RECORD_TYPE_{type_.value}")
    books = all_books(operator(), school, school_year, record_type, class_name=class_name)
    rows = [
        (b.id, _of(b), _stage(b.stage), b.version, state_name(b.state), b.content_sha256.hex()[:16], b.problem)
        for b in books
    ]
    title = words.record_type(record_type)
    show(
        f"{title[:1].upper()}{title[1:]} của trường {school}, {school_year}",
        ("id", "của", "giai đoạn", "bản", "trạng thái", "mã băm", "vướng mắc"),
        rows,
        books,
    )


@app.command("catalogue")
def catalogue(
    school: Annotated[str, typer.Argument(help="School code.")],
    school_year: Annotated[str, typer.Argument(help="School year, such as 2025-2026.")],
    level: Annotated[Level, typer.Option(help="Level of the grades.")] = Level.LOWER_SECONDARY,
) -> None:
    """The record books that a school keeps in a year, with preparers and signatories."""
    request = books_pb2.ListRecordBooksRequest(
        school=school,
        school_year=school_year,
        level=common_pb2.SchoolLevel.Value(f"SCHOOL_LEVEL_{level.value}"),
    )
    answer = call(operator().books.ListRecordBooks, request, patient=True)
    rows = [
        (
            entry.title,
            ", ".join(_stage(stage) for stage in entry.stages),
            _PREPARERS[entry.preparer],
            " → ".join(_ROLES[by.role] for by in entry.signatories),
            "bắt buộc" if entry.compulsory else "tùy trường",
            "có" if entry.paper_track_required else "không",
            entry.legal_reference,
        )
        for entry in answer.record_books
    ]
    show(
        f"Hồ sơ, sổ sách của trường {school}, {school_year}",
        ("hồ sơ", "giai đoạn", "người lập", "người ký", "phải có", "bản giấy", "căn cứ"),
        rows,
        list(answer.record_books),
    )


@app.command("show")
def show_book(book: Annotated[str, typer.Argument(help="Book id.")]) -> None:
    """One book and its whole history."""
    services = operator()
    answer = call(services.books.GetBook, books_pb2.GetBookRequest(book=book)).book
    rows = [(_time(t), state_name(t.to_state), t.person or "-", t.client, t.note) for t in answer.history]
    kind = record_type_name(answer.record_type)
    title = f"{kind} {_of(answer)}, bản {answer.version}: {state_name(answer.state)} {answer.problem}"
    show(title, ("lúc", "trạng thái", "người thực hiện", "qua", "ghi chú"), rows, answer)


@app.command("content")
def content(
    book: Annotated[str, typer.Argument(help="Book id.")],
    out: Annotated[typer.FileBinaryWrite, typer.Argument(help="File to write, - for standard output.")],
) -> None:
    """The canonical bytes of a book's frozen content."""
    services = operator()
    data = download(services.books.DownloadBookContent, books_pb2.DownloadBookContentRequest(book=book))
    out.write(data)
    if Output.as_json:
        show_json({"size_bytes": len(data)})


def _time(transition: books_pb2.BookTransition) -> str:
    return datetime.fromtimestamp(transition.time.ToSeconds()).astimezone().isoformat()


def _of(book: books_pb2.Book) -> str:
    """The book's subject: class, student, teacher and subject, or the school."""
    parts = (book.school_class.name, book.student, book.teacher, book.subject)
    return " ".join(part for part in parts if part) or book.school_class.school


def _stage(stage: int) -> str:
    return _STAGES[common_pb2.Stage.ValueType(stage)]
