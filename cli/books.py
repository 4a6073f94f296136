"""`hoso books`: see the books of a school and one book's history."""

from datetime import datetime
from typing import Annotated

import typer
from hoso.gradebook.v1 import books_pb2, common_pb2

from cli.connection import Services, call, download, operator
from cli.output import Output, show, show_json

app = typer.Typer(no_args_is_help=True)

_PAGE = 500


def state_name(state: int) -> str:
    """The state without its enum prefix, such as ``SEALED``."""
    return books_pb2.BookState.Name(books_pb2.BookState.ValueType(state)).removeprefix("BOOK_STATE_")


def all_books(
    services: Services,
    school: str,
    school_year: str,
    record_type: "common_pb2.RecordType.ValueType" = common_pb2.RECORD_TYPE_CLASS_BOOK,
) -> list[books_pb2.Book]:
    """Every book of one type in a school year, over all pages."""
    books: list[books_pb2.Book] = []
    token = ""
    while True:
        request = books_pb2.ListBooksRequest(
            school=school, school_year=school_year, page_size=_PAGE, page_token=token, record_type=record_type
        )
        answer = call(services.books.ListBooks, request, patient=True)
        books += answer.books
        token = answer.next_page_token
        if not token:
            return books


@app.command("list")
def list_books(
    school: Annotated[str, typer.Argument(help="School code.")],
    school_year: Annotated[str, typer.Argument(help="School year, such as 2025-2026.")],
) -> None:
    """The books of a school year with their states."""
    books = all_books(operator(), school, school_year)
    rows = [
        (b.id, b.school_class.name, b.version, state_name(b.state), b.content_sha256.hex()[:16], b.problem)
        for b in books
    ]
    show(
        f"Sổ của trường {school}, {school_year}", ("id", "lớp", "bản", "trạng thái", "mã băm", "vướng mắc"), rows, books
    )


@app.command("show")
def show_book(book: Annotated[str, typer.Argument(help="Book id.")]) -> None:
    """One book and its whole history."""
    services = operator()
    answer = call(services.books.GetBook, books_pb2.GetBookRequest(book=book)).book
    rows = [(_time(t), state_name(t.to_state), t.person or "-", t.client, t.note) for t in answer.history]
    title = f"{answer.school_class.name}, bản {answer.version}: {state_name(answer.state)} {answer.problem}"
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
