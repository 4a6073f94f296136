"""`hoso windows`: entry windows of a school, how they were closed, and the snapshots then taken."""

from typing import Annotated

import typer
from hoso.gradebook.v1 import marks_pb2

from cli.connection import call, every, operator
from cli.output import local_time, show
from cli.words import mark_kind

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_windows(
    school: Annotated[str, typer.Argument(help="School code.")],
    school_year: Annotated[str, typer.Argument(help="School year, such as 2025-2026.")],
) -> None:
    """The entry windows of a school year."""
    request = marks_pb2.ListWindowsRequest(school=school, school_year=school_year)
    windows = every(operator().marks.ListWindows, request, "windows")
    show(
        f"Đợt nhập điểm của trường {school}, {school_year}",
        ("đợt", "từ", "đến", "học kì", "loại điểm", "khối", "đóng lúc", "đóng bởi"),
        [_row(window) for window in windows],
        windows,
    )


@app.command("show")
def show_window(
    school: Annotated[str, typer.Argument(help="School code.")],
    school_year: Annotated[str, typer.Argument(help="School year, such as 2025-2026.")],
    window: Annotated[str, typer.Argument(help="Name of the window, such as HK1-GK.")],
) -> None:
    """One window and its snapshots."""
    request = marks_pb2.GetWindowRequest(school=school, school_year=school_year, window=window)
    answer = call(operator().marks.GetWindow, request, patient=True)
    shown = answer.window
    closed = "chưa đóng"
    if shown.HasField("closed_time"):
        closed = f"đóng lúc {local_time(shown.closed_time)}, {_closed_by(shown)}"
    rows = [
        (s.school_class.name, s.sequence, s.id, s.content_sha256.hex()[:16], s.archive_record or "-")
        for s in answer.snapshots
    ]
    show(f"Đợt {shown.name}: {closed}", ("lớp", "thứ tự", "bản chụp", "mã băm", "hồ sơ lưu trữ"), rows, answer)


def _row(window: marks_pb2.Window) -> tuple[str, ...]:
    return (
        window.name,
        local_time(window.open_time),
        local_time(window.close_time),
        ", ".join(("I", "II")[semester - 1] for semester in window.semesters),
        ", ".join(mark_kind(kind) for kind in window.mark_kinds),
        ", ".join(map(str, window.grade_levels)) or "tất cả",
        local_time(window.closed_time) if window.HasField("closed_time") else "-",
        _closed_by(window),
    )


def _closed_by(window: marks_pb2.Window) -> str:
    if window.closed_by_time:
        return "hết thời hạn"
    return window.closed_by or "-"
