"""`hoso demo`: a whole school goes through the line, from keyed marks to sealed, archived, verified books."""

import time
from collections.abc import Callable
from typing import TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hoso.gradebook.v1 import books_pb2, common_pb2
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli import demo_dossier, demo_keys, demo_load, demo_report, profile
from cli.books import all_books
from cli.connection import SERVICES, Persons, Services, call
from cli.demo_acts import Acts, DemoFailed, Staff
from cli.demo_school import School, school
from cli.output import EXIT_NEGATIVE, errors
from cli.profile import Profile
from cli.signing import register_record
from services.common.config import ConfigError
from services.common.errors import Rejected
from services.common.grpc_client import channel
from services.common.settings import PeerConfig

Result = TypeVar("Result")

READY_S = 120.0
POLL_S = 0.3
STALLED_S = 600.0
"""How long no book may move before the demo gives up; outages of a few minutes must pass."""

_MILESTONES = (
    ("In bản chưa có chữ ký số", books_pb2.BOOK_STATE_PRINTED_UNSIGNED),
    ("Rà soát, đối chiếu", books_pb2.BOOK_STATE_RECONCILED),
    ("Ký tay, đóng dấu, lưu bản giấy", books_pb2.BOOK_STATE_PAPER_ARCHIVED),
    ("Chữ ký số cá nhân", books_pb2.BOOK_STATE_SIGNED),
    ("Dấu số của trường", books_pb2.BOOK_STATE_SEALED),
    ("Khóa cơ sở dữ liệu", books_pb2.BOOK_STATE_LOCKED),
    ("Lưu trữ dưới khóa đối tượng", books_pb2.BOOK_STATE_ARCHIVED),
    ("Trả hồ sơ", books_pb2.BOOK_STATE_RETURNED),
)


def run(*, classes: int, students: int, paper: bool, code: str) -> int:
    """Run the demo; it may be repeated or interrupted, and goes on where the school stands. Returns the exit code."""
    found = profile.load()
    if found.vendor_tls is None or found.demo is None:
        raise ConfigError("the demo needs [vendor_tls] and [demo] in the profile; the local stack writes them")
    demo = found.demo
    operator, vendor = Services(found, found.tls), Services(found, found.vendor_tls)
    invented = school(classes=classes, students_per_class=students, code=code)
    persons = Persons(found, invented.code)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    try:
        with Progress(*columns, console=errors) as progress:
            _step(progress, "Chờ dịch vụ sẵn sàng", lambda: _wait_until_ready(found))
            keys, record = _step(progress, "Lễ tạo khóa", lambda: demo_keys.perform(demo, invented))
            register_record(operator, record)
            _step(
                progress,
                "Trường, lớp, học sinh, phân công",
                lambda: demo_load.roster(operator, vendor, persons, invented, paper=paper),
            )
            entry_is_open = demo_load.plan_window(vendor, persons, invented)
            _step(
                progress,
                "Hồ sơ đăng kí sổ điện tử, Sở duyệt",
                lambda: demo_dossier.adopt(operator, vendor, persons, invented, demo_load.WINDOW),
            )
            if entry_is_open:
                bar = progress.add_task("Nhập điểm, rèn luyện, buổi nghỉ", total=demo_load.sheet_count(invented))
                demo_load.key_marks(vendor, persons, invented, lambda: progress.advance(bar))
                _step(progress, "Khóa đợt nhập điểm", lambda: demo_load.close_window(vendor, persons, invented))
            acts = Acts(
                vendor=vendor,
                persons=persons,
                staff=Staff(invented.principal, invented.data_officer, invented.seal_custodian),
                school=invented.code,
                homeroom={c.name: c.homeroom_teacher for c in invented.classes},
                pin_files={key.signatory: key.pin_file for key in keys},
            )
            _freeze(vendor, persons, invented, progress)
            books = _move_books(operator, acts, invented, progress, paper=paper)
            _wait_for_snapshots(vendor, persons, invented, progress)
            bar = progress.add_task("Đọc lại và kiểm tra hồ sơ", total=len(books))
            rows = demo_report.write(demo.folder, operator, invented.code, books, lambda: progress.advance(bar))
    except DemoFailed as e:
        errors.print(f"[red]{e}[/]", highlight=False)
        return EXIT_NEGATIVE
    return demo_report.conclude(demo.folder, operator, rows)


def _step(progress: Progress, title: str, work: Callable[[], Result]) -> Result:
    bar = progress.add_task(title, total=1)
    result = work()
    progress.advance(bar)
    return result


def _wait_until_ready(found: Profile) -> None:
    """Raises DemoFailed naming the service that does not get ready."""
    deadline = time.monotonic() + READY_S
    for name in SERVICES:
        stub = health_pb2_grpc.HealthStub(channel(PeerConfig(getattr(found, name), found.tls)))
        while not _is_serving(stub):
            if time.monotonic() > deadline:
                raise DemoFailed(f"{name} is not ready; look at `hoso status` and `make up`")
            time.sleep(POLL_S)


def _is_serving(stub: health_pb2_grpc.HealthStub) -> bool:
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
    except grpc.RpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _freeze(vendor: Services, persons: Persons, invented: School, progress: Progress) -> None:
    """Each homeroom teacher finds the data complete and freezes the book of the whole year."""
    bar = progress.add_task("Chốt dữ liệu sổ", total=len(invented.classes))
    for c in invented.classes:
        request = books_pb2.FreezeBookRequest(
            school_class=demo_load.class_ref(invented, c), stage=common_pb2.STAGE_WHOLE_YEAR
        )
        try:
            call(vendor.books.FreezeBook, request, persons.token(c.homeroom_teacher), patient=True)
        except Rejected as e:
            if e.reason != "BOOK_EXISTS":  # an earlier run froze it and it has moved on
                raise
        progress.advance(bar)


def _move_books(
    operator: Services, acts: Acts, invented: School, progress: Progress, *, paper: bool
) -> list[books_pb2.Book]:
    """Let the school's people act on every book until all are returned. Raises DemoFailed when nothing moves."""
    milestones = [m for m in _MILESTONES if paper or m[1] != books_pb2.BOOK_STATE_PAPER_ARCHIVED]
    bars = {state: progress.add_task(title, total=len(invented.classes)) for title, state in milestones}
    signatories = list(acts.pin_files)
    last: list[books_pb2.BookState.ValueType] = []
    moved = time.monotonic()
    while True:
        books = [b for b in all_books(operator, invented.code, invented.school_year) if not b.replaced_by_version]
        states = [b.state for b in books]
        for state, bar in bars.items():
            progress.update(bar, completed=sum(s >= state for s in states))
        if all(s == books_pb2.BOOK_STATE_RETURNED for s in states):
            return books
        if states != last:
            last, moved = states, time.monotonic()
        elif time.monotonic() - moved > STALLED_S:
            raise DemoFailed(f"no book has moved for {STALLED_S:.0f} s; look at `hoso status` and `hoso jobs dead`")
        for book in books:
            acts.advance(book)
        if books_pb2.BOOK_STATE_DIGITAL_SIGNING in states or books_pb2.BOOK_STATE_SIGNED in states:
            acts.keep_keys_active(signatories)
        time.sleep(POLL_S)


def _wait_for_snapshots(vendor: Services, persons: Persons, invented: School, progress: Progress) -> None:
    """Until the archive holds the snapshot of every class, taken when the window was closed."""
    bar = progress.add_task("Bản lưu tại thời điểm khóa điểm", total=len(invented.classes))
    deadline = time.monotonic() + STALLED_S
    while True:
        held = len(demo_load.archived_snapshots(vendor, persons, invented))
        progress.update(bar, completed=held)
        if held == len(invented.classes):
            return
        if time.monotonic() > deadline:
            raise DemoFailed(f"only {held} snapshots are archived; look at `hoso jobs dead archive`")
        time.sleep(POLL_S)
