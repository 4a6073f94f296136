"""`hoso demo`: takes a whole school from keyed marks to sealed, archived and verified books."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hoso.gradebook.v1 import common_pb2
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli import profile
from cli.connection import SERVICES, Persons, Services
from cli.output import EXIT_NEGATIVE, errors, styled
from cli.profile import DemoConfig, Profile
from cli.signing import register_record
from demo import books, dossier, keys, load, report, story
from demo.acts import Acts, DemoFailed, Staff
from demo.books import AFTER_SUMMER, WHOLE_YEAR, Play
from demo.school import MONTHS_OF, SEMESTERS, School, SchoolClass, neighbour, school, with_story
from services.common.config import ConfigError
from services.common.grpc_client import channel
from services.common.settings import PeerConfig

Result = TypeVar("Result")

READY_S = 120.0
POLL_S = 0.3


def run(*, classes: int, students: int, paper: bool, story: bool, code: str) -> int:
    """Run the demo and return the exit code. It may be interrupted or repeated, and goes on.

    story: with a neighbouring school, a correction, a transfer, a summer, and record books of every
    type; else an ordinary year and its class books.
    """
    configured = profile.load()
    if configured.vendor_tls is None or configured.demo is None:
        raise ConfigError("the demo needs [vendor_tls] and [demo] in the profile; the local stack writes them")
    operator, vendor = Services(configured, configured.tls), Services(configured, configured.vendor_tls)
    plain = school(classes=classes, students_per_class=students, code=code)
    home = with_story(plain)
    schools = (home, neighbour(home)) if story else (plain,)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    try:
        with Progress(*columns, console=errors) as progress:
            _step(progress, "Chờ dịch vụ sẵn sàng", lambda: _wait_until_ready(configured))
            plays = [
                _prepare(progress, configured, configured.demo, operator, vendor, school=school, paper=paper)
                for school in schools
            ]
            if story:
                _year_with_story(progress, *plays, paper=paper)
            else:
                _year(progress, *plays, paper=paper)
            rows = _report(progress, configured.demo, operator, plays)
    except DemoFailed as e:
        errors.print(styled((str(e), "red")), highlight=False)
        return EXIT_NEGATIVE
    return report.conclude(configured.demo.folder, operator, rows)


def _prepare(
    progress: Progress,
    configured: Profile,
    demo: DemoConfig,
    operator: Services,
    vendor: Services,
    *,
    school: School,
    paper: bool,
) -> Play:
    """Keys, authorisation, roster and register of one school."""
    persons = Persons(configured, school.code)
    signatories, record = _step(progress, f"Lễ tạo khóa: {school.name}", lambda: keys.perform(demo, school))
    register_record(operator, record)
    _step(
        progress,
        "Trường, lớp, học sinh, phân công",
        lambda: load.roster(operator, vendor, persons, school, paper=paper),
    )
    for semester in SEMESTERS:
        load.plan_window(vendor, persons, school, semester)
    windows = list(load.WINDOWS.values())
    _step(
        progress,
        "Hồ sơ đăng kí sổ điện tử, Sở duyệt",
        lambda: dossier.adopt(operator, vendor, persons, school, windows),
    )
    acts = Acts(
        vendor=vendor,
        persons=persons,
        staff=Staff(school.principal, school.data_officer, school.seal_custodian),
        school=school.code,
        homeroom={c.name: c.homeroom_teacher for c in school.classes},
        pin_files={key.signatory: key.pin_file for key in signatories},
    )
    play = Play(operator, vendor, persons, school, acts)
    _step(progress, "Sổ đăng bộ: ghi danh học sinh", lambda: story.register(play))
    return play


def _year(progress: Progress, play: Play, *, paper: bool) -> None:
    """An ordinary year: two semesters and the class books of the whole year."""
    for semester in SEMESTERS:
        _semester(progress, play, semester)
    _step(progress, "Chốt sổ cả năm", lambda: _freeze_class_books(play))
    books.move([play], progress, "Cả năm", paper=paper)
    _wait_for_snapshots(play, progress, list(load.WINDOWS.values()))


def _year_with_story(progress: Progress, home: Play, away: Play, *, paper: bool) -> None:
    """Two semesters and a summer; their events are in `story`, the record books in `books`."""
    plays = [home, away]
    first = home.school.classes[0]
    for play in plays:
        _semester(progress, play, 1)
    _step(progress, "Sửa điểm sau khi khóa đợt nhập", lambda: story.correct(home))
    home.freeze(common_pb2.STAGE_SEMESTER_1, first.homeroom_teacher, first)
    _step(progress, "Chuyển trường giữa năm học", lambda: story.transfer(home, away))
    for play in plays:
        _semester(progress, play, 2)
    _step(progress, "Nhận xét của giáo viên", lambda: story.remark(home))
    _step(progress, "Chứng chỉ, kết quả cuộc thi", lambda: story.achieve(home))

    _step(progress, "Chốt sổ cả năm", lambda: _freeze_class_books(*plays))
    books.move(plays, progress, "Cả năm", paper=paper)

    summer = _step(progress, "Kiểm tra lại, rèn luyện trong hè", lambda: story.reassess(home))
    _step(progress, "Chốt học bạ, sổ của giáo viên, sổ sau hè", lambda: _freeze_after_year(home, away, summer.classes))
    books.move(plays, progress, "Học bạ, sổ sau hè", paper=paper)

    _step(progress, "Thu hồi một học bạ, cấp lại", lambda: books.revoke_one_transcript(home))
    _step(progress, "Chốt học bạ sau hè, sổ đăng bộ", lambda: _freeze_last(home, summer.students))
    books.move(plays, progress, "Sổ đăng bộ, học bạ cấp lại", paper=paper)
    _wait_for_snapshots(home, progress, [*load.WINDOWS.values(), story.SUMMER_WINDOW])


def _semester(progress: Progress, play: Play, semester: int) -> None:
    """The entry window of a semester: marks, conduct, attendance; then it closes."""
    vendor, persons, school = play.vendor, play.persons, play.school
    if not load.plan_window(vendor, persons, school, semester):
        return
    months = MONTHS_OF[semester]
    total = load.sheet_count(school) + len(months) * len(school.classes)
    bar = progress.add_task(f"Học kì {semester}: nhập điểm, rèn luyện, điểm danh", total=total)
    load.key_marks(vendor, persons, school, semester, lambda: progress.advance(bar))
    story.key_attendance(play, months, lambda: progress.advance(bar))
    _step(progress, "Hiệu trưởng nhận xét hằng tháng", lambda: story.remark_monthly(play, months))
    _step(
        progress,
        "Khóa đợt nhập điểm",
        lambda: load.close_window(vendor, persons, school, load.WINDOWS[semester]),
    )


def _freeze_class_books(*plays: Play) -> None:
    for play in plays:
        for c in play.school.classes:
            play.freeze(WHOLE_YEAR, c.homeroom_teacher, c)


def _freeze_after_year(home: Play, away: Play, summer: list[SchoolClass]) -> None:
    """The books based on locked class books: transcripts, a teacher's book, class books after
    summer.
    """
    first, joined = home.school.classes[0], away.school.classes[0]
    home.freeze_transcripts(WHOLE_YEAR, first)
    assert home.school.story is not None
    transcript = common_pb2.RECORD_TYPE_TRANSCRIPT
    away.freeze(WHOLE_YEAR, joined.homeroom_teacher, joined, record_type=transcript, student=home.school.story.leaver)
    subject = books.TEACHER_BOOK_SUBJECT
    teacher = first.assignments[subject][0]
    home.freeze(WHOLE_YEAR, teacher, record_type=common_pb2.RECORD_TYPE_TEACHER_BOOK, teacher=teacher, subject=subject)
    for c in summer:
        home.freeze(AFTER_SUMMER, c.homeroom_teacher, c)


def _freeze_last(home: Play, reassessed: list[tuple[SchoolClass, str]]) -> None:
    """The first class's transcripts after the summer, and the register with everyone's results."""
    for c, student in reassessed:
        if c == home.school.classes[0]:
            home.freeze(
                AFTER_SUMMER, c.homeroom_teacher, c, record_type=common_pb2.RECORD_TYPE_TRANSCRIPT, student=student
            )
    register = common_pb2.RECORD_TYPE_STUDENT_REGISTER
    home.freeze(WHOLE_YEAR, home.school.seal_custodian, record_type=register)


def _report(progress: Progress, demo: DemoConfig, operator: Services, plays: list[Play]) -> list[report.Row]:
    """Read every record back from the archive and verify it."""
    books = [book for play in plays for book in play.all_versions() if book.archive_record]
    bar = progress.add_task("Đọc lại và kiểm tra hồ sơ", total=len(books))
    return report.write(demo.folder, operator, books, lambda: progress.advance(bar))


def _step(progress: Progress, title: str, work: Callable[[], Result]) -> Result:
    bar = progress.add_task(title, total=1)
    result = work()
    progress.advance(bar)
    return result


def _wait_until_ready(configured: Profile) -> None:
    """Wait for every service. Raises DemoFailed naming the one that does not become ready."""
    deadline = time.monotonic() + READY_S
    for name in SERVICES:
        stub = health_pb2_grpc.HealthStub(channel(PeerConfig(getattr(configured, name), configured.tls), name))
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


def _wait_for_snapshots(play: Play, progress: Progress, windows: Sequence[str]) -> None:
    """Wait until the archive holds every class's snapshot of each closed window."""
    total = len(windows) * len(play.school.classes)
    bar = progress.add_task("Bản lưu tại thời điểm khóa điểm", total=total)
    deadline = time.monotonic() + books.STALLED_S
    while True:
        held = sum(len(load.archived_snapshots(play.vendor, play.persons, play.school, window)) for window in windows)
        progress.update(bar, completed=held)
        if held == total:
            return
        if time.monotonic() > deadline:
            raise DemoFailed(f"only {held} snapshots are archived; look at `hoso jobs dead archive`")
        time.sleep(POLL_S)
