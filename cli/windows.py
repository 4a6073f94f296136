"""`hoso windows`: entry windows of a school, how they were closed, and the snapshots that their closing took."""

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
        [_row(one) for one in windows],
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
    one = answer.window
    closed = (
        f"đóng lúc {local_time(one.closed_time)}, {_closed_by(one)}" if one.HasField("closed_time") else "chưa đóng"
    )
    rows = [
        (s.school_class.name, s.sequence, s.id, s.content_sha256.hex()[:16], s.archive_record or "-")
        for s in answer.snapshots
    ]
    show(f"Đợt {one.name}: {closed}", ("lớp", "thứ tự", "bản chụp", "mã băm", "hồ sơ lưu trữ"), rows, answer)


def _row(one: marks_pb2.Window) -> tuple[str, ...]:
    return (
        one.name,
        local_time(one.open_time),
        local_time(one.close_time),
        ", ".join(("I", "II")[semester - 1] for semester in one.semesters),
        ", ".join(mark_kind(kind) for kind in one.mark_kinds),
        ", ".join(map(str, one.grade_levels)) or "tất cả",
        local_time(one.closed_time) if one.HasField("closed_time") else "-",
        _closed_by(one),
    )


def _closed_by(one: marks_pb2.Window) -> str:
    if one.closed_by_time:
        return "hết thời hạn"
    return one.closed_by or "-"
