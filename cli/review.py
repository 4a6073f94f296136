"""`hoso review`: progress of entry and suspicious marks before a window closes."""

from collections.abc import Sequence
from typing import Annotated

import typer
from hoso.gradebook.v1 import common_pb2, review_pb2

from cli import words
from cli.connection import call, every, operator
from cli.output import show

app = typer.Typer(no_args_is_help=True)

_PAGE = 50
_SHOWN_CELLS = 5
Semester = Annotated[int, typer.Option("--semester", min=1, max=2, help="Half of the school year, 1 or 2.")]


@app.command("progress")
def progress(
    school: Annotated[str, typer.Argument(help="School code.")],
    school_year: Annotated[str, typer.Argument(help="School year, such as 2025-2026.")],
    semester: Semester = 1,
) -> None:
    """How much of each class is entered, and where most is missing."""
    request = review_pb2.GetCompletenessRequest(
        school=school, school_year=school_year, semester=common_pb2.Semester.ValueType(semester)
    )
    classes = every(operator().review.GetCompleteness, request, "classes", page_size=_PAGE)
    rows = [
        (
            c.school_class.name,
            f"{c.percent} %",
            sum(s.missing for s in c.subjects),
            sum(s.zero_by_rule for s in c.subjects),
            c.missing_conduct,
            ", ".join(f"{s.subject} {s.missing}" for s in c.subjects if s.missing),
        )
        for c in classes
    ]
    columns = ("lớp", "đã nhập", "còn thiếu", "điểm 0 theo quy định", "thiếu rèn luyện", "các môn còn thiếu")
    show(f"Tiến độ nhập điểm của trường {school}, {school_year}, học kì {semester}", columns, rows, classes)


@app.command("class")
def review_class(
    school: Annotated[str, typer.Argument(help="School code.")],
    school_year: Annotated[str, typer.Argument(help="School year, such as 2025-2026.")],
    class_name: Annotated[str, typer.Argument(help="Name of the class, such as 6A1.")],
    semester: Semester = 1,
) -> None:
    """Suspicious marks of a class."""
    request = review_pb2.ReviewClassRequest(
        school_class=common_pb2.ClassRef(school=school, school_year=school_year, name=class_name),
        semester=common_pb2.Semester.ValueType(semester),
    )
    answer = call(operator().review.ReviewClass, request, patient=True)
    rows = [(_kind(anomaly.kind), anomaly.sentence, _cells(anomaly.cells)) for anomaly in answer.anomalies]
    title = f"Rà soát điểm lớp {class_name}, học kì {semester}: {answer.total} điều cần xem"
    show(title, ("loại", "điều cần xem", "ô điểm"), rows, answer)


def _kind(kind: int) -> str:
    return review_pb2.AnomalyKind.Name(review_pb2.AnomalyKind.ValueType(kind)).removeprefix("ANOMALY_KIND_")


def _cells(listed: Sequence[review_pb2.AnomalyCell]) -> str:
    shown = [
        f"{c.student} {words.column(c.column) if c.HasField('column') else 'ĐTBmhk'} {c.value or '–'}"
        for c in listed[:_SHOWN_CELLS]
    ]
    more = [f"… và {len(listed) - _SHOWN_CELLS} ô nữa"] if len(listed) > _SHOWN_CELLS else []
    return "\n".join(shown + more)
