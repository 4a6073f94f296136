"""`hoso archive`: records under object lock."""

import enum
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from hoso.archive.v1 import archive_pb2

from cli.connection import Services, call, download, every, operator
from cli.output import (
    EXIT_NEGATIVE,
    EXIT_UNAVAILABLE,
    Output,
    console,
    errors,
    local_time,
    show,
    show_json,
    styled,
)
from services.common.errors import NotFound

app = typer.Typer(no_args_is_help=True)

_COMPARISON_WAIT_S = 600.0


class RecordKind(enum.Enum):
    """Kinds of records, as the archive names them."""

    CLASS_BOOK = "CLASS_BOOK"
    TEACHER_BOOK = "TEACHER_BOOK"
    TRANSCRIPT = "TRANSCRIPT"
    STUDENT_REGISTER = "STUDENT_REGISTER"
    SNAPSHOT = "SNAPSHOT"


ROLE_WORDS = {
    "SUBJECT_TEACHER": "Giáo viên bộ môn",
    "DATA_OFFICER": "Người phụ trách sổ",
    "HOMEROOM_TEACHER": "Giáo viên chủ nhiệm",
    "PRINCIPAL": "Hiệu trưởng",
    "SCHOOL_SEAL": "Dấu của trường",
}
DIFFERENCE_WORDS = {
    "REGISTER_ROW_MISSING": "Sổ đăng kí thiếu dòng",
    "REGISTER_ROW_CHANGED": "Dòng của sổ đăng kí bị sửa",
    "REGISTER_ROW_UNKNOWN": "Sổ đăng kí thừa dòng",
    "OBJECT_MISSING": "Kho thiếu đối tượng",
    "OBJECT_SIZE": "Đối tượng có kích thước khác",
    "OBJECT_DOUBLE": "Kho có thêm phiên bản",
    "OBJECT_HIDDEN": "Đối tượng bị che",
    "OBJECT_UNKNOWN": "Đối tượng không có trong sổ đăng kí",
}
"""What each difference that a comparison finds says to people."""
CHECK_WORDS = {
    "REGISTER_CHAIN": "Chuỗi sổ đăng kí lưu trữ",
    "ONE_VERSION": "Kho chỉ có một phiên bản",
    "LOCKED": "Khóa đối tượng COMPLIANCE",
    "OBJECT_PRESENT": "Đọc lại được từ kho",
    "OBJECT_DIGEST": "Mã băm của đối tượng",
    "OBJECT_SIZE": "Kích thước",
    "FILE_DIGEST": "Mã băm của tệp PDF",
    "READABLE": "Cấu trúc tệp PDF",
    "CONTENT_ATTACHED": "Nội dung gốc đính kèm",
    "CONTENT_DIGEST": "Mã băm của nội dung",
    "SUBJECT": "Đúng loại, trường, năm học, bản",
    "SIGNATURES_COMPLETE": "Đủ chữ ký, không thừa",
    "SIGNATORIES": "Đúng người ký",
    "SIGNATORY_NAMES": "Đúng tên người ký",
    "SIGNING_ORDER": "Đúng thứ tự ký",
    "SIGNATURES_INTACT": "Chữ ký nguyên vẹn",
    "CHAINS_TRUSTED": "Chứng thư được tin cậy",
    "REVISIONS_COVERED": "Mỗi chữ ký bao trùm bản của mình",
    "PADES_PROFILE": "Chuẩn PAdES-B-B",
    "NOTHING_HIDDEN": "Không có dữ liệu giấu",
    "SEAL_COVERS_FILE": "Dấu (chữ ký cuối) bao trùm toàn bộ tệp",
    "ONE_REVISION_EACH": "Mỗi chữ ký một lần ghi",
    "CHANGES_PERMITTED": "Không sửa ngoài chữ ký",
    "CLOSED_BY_SEAL": "Dấu (chữ ký cuối) đóng văn bản",
}
"""What each check of VerifyRecord says to people; a check that is not listed shows its code."""


def all_records(services: Services, school: str, kind: archive_pb2.RecordKind.ValueType) -> list[archive_pb2.Record]:
    """Every record of a school and kind, over all pages."""
    request = archive_pb2.ListRecordsRequest(school=school, kind=kind)
    return every(services.archive.ListRecords, request, "records")


@app.command("list")
def list_records(
    school: Annotated[str, typer.Argument(help="School code.")],
    kind: Annotated[RecordKind | None, typer.Option(help="Only records of this kind.")] = None,
) -> None:
    """The records of a school, newest first."""
    only = archive_pb2.RecordKind.Value(f"RECORD_KIND_{kind.value}") if kind else archive_pb2.RECORD_KIND_UNSPECIFIED
    records = all_records(operator(), school, only)
    rows = [
        (r.id, _kind(r), r.version or "", r.object_sha256.hex()[:16], r.size_bytes, local_time(r.retain_until_time))
        for r in records
    ]
    show(f"Hồ sơ lưu trữ của trường {school}", ("id", "loại", "bản", "mã băm", "byte", "giữ đến"), rows, records)


@app.command("verify")
def verify(record: Annotated[str, typer.Argument(help="Record id.")]) -> None:
    """Re-read a locked record and check digest, retention, versions, signatures and the register's
    chain.
    """
    services = operator()
    answer = call(services.archive.VerifyRecord, archive_pb2.VerifyRecordRequest(record=record))
    if Output.as_json:
        show_json(answer)
    else:
        print_verification(answer)
    if not answer.valid:
        raise typer.Exit(EXIT_NEGATIVE)


def print_verification(answer: archive_pb2.VerifyRecordResponse) -> None:
    """The verification of one record for people."""
    mark = {True: styled(("đạt", "green")), False: styled(("KHÔNG ĐẠT", "red"))}
    checks = [(mark[c.passed], CHECK_WORDS.get(c.name, c.name), c.detail) for c in answer.checks]
    show(f"Kiểm tra hồ sơ {answer.record.id}", ("kết quả", "nội dung", "chi tiết"), checks, answer)
    signatures = [
        (s.order, mark[s.valid], ROLE_WORDS.get(s.role, s.role), s.name, s.signatory, local_time(s.sign_time))
        for s in answer.signatures
    ]
    if signatures:
        show("Chữ ký theo thứ tự", ("số", "kết quả", "vai trò", "tên", "mã", "lúc ký"), signatures, answer)
    verdict = ("Hồ sơ nguyên vẹn.", "bold green") if answer.valid else ("HỒ SƠ KHÔNG HỢP LỆ.", "bold red")
    console.print(styled(verdict))


@app.command("fetch")
def fetch(
    record: Annotated[str, typer.Argument(help="Record id.")],
    out: Annotated[typer.FileBinaryWrite, typer.Argument(help="File to write, - for standard output.")],
) -> None:
    """The bytes of a locked record."""
    services = operator()
    out.write(download(services.archive.DownloadRecord, archive_pb2.DownloadRecordRequest(record=record)))


@app.command("store")
def store() -> None:
    """The newest WORM probe of the configured store."""
    services = operator()
    report = call(services.archive.GetStoreReport, archive_pb2.GetStoreReportRequest())
    rows = [("đạt" if c.passed else "KHÔNG ĐẠT", c.name, c.detail) for c in report.checks]
    show(f"{report.store}, {local_time(report.probe_time)}", ("kết quả", "phép thử", "chi tiết"), rows, report)
    if not report.passed:
        raise typer.Exit(EXIT_NEGATIVE)


@app.command("compare")
def compare(
    now: Annotated[bool, typer.Option("--now", help="Compare once more and wait for it.")] = False,
    max_age: Annotated[float, typer.Option(help="Hours that the newest comparison may be old.")] = 36.0,
) -> None:
    """The newest comparison of journal, register and store, which is made every day. Exit code 1
    when they differ or it is too old.
    """
    services = operator()
    answer = _compare_now(services) if now else _newest_comparison(services)
    if answer is None:
        errors.print("Chưa đối chiếu lần nào; vai trò `work` của archive đối chiếu mỗi ngày.")
        raise typer.Exit(EXIT_NEGATIVE)
    rows = [(DIFFERENCE_WORDS.get(d.reason, d.reason), d.name, d.detail) for d in answer.differences]
    title = f"Đối chiếu lúc {local_time(answer.finish_time)}: {answer.records} hồ sơ, {answer.objects} đối tượng"
    show(title, ("khác nhau", "hồ sơ, đối tượng", "chi tiết"), rows, answer)
    age = datetime.now(UTC) - answer.finish_time.ToDatetime(UTC)
    if answer.difference_count:
        errors.print(f"CÓ {answer.difference_count} CHỖ KHÁC NHAU; cần kiểm tra ngay.")
    elif age > timedelta(hours=max_age):
        errors.print(f"Lần đối chiếu mới nhất đã cũ ({age.total_seconds() / 3600:.0f} giờ).")
    else:
        console.print(styled(("Nhật kí, sổ đăng kí lưu trữ và kho lưu trữ khớp nhau.", "bold green")))
        return
    raise typer.Exit(EXIT_NEGATIVE)


def _newest_comparison(services: Services) -> archive_pb2.GetComparisonResponse | None:
    try:
        return call(services.archive.GetComparison, archive_pb2.GetComparisonRequest())
    except NotFound:
        return None


def _compare_now(services: Services) -> archive_pb2.GetComparisonResponse:
    """Queue a comparison and wait for it. Exits when none comes."""
    before = _newest_comparison(services)
    call(services.archive.CompareStore, archive_pb2.CompareStoreRequest())
    deadline = time.monotonic() + _COMPARISON_WAIT_S
    with errors.status("Đang đối chiếu…"):
        while time.monotonic() < deadline:
            newest = _newest_comparison(services)
            if newest is not None and (before is None or newest.start_time != before.start_time):
                return newest
            time.sleep(0.5)
    errors.print("Đối chiếu vẫn chưa xong; xem `hoso status`, `hoso jobs dead`, rồi `hoso archive compare`.")
    raise typer.Exit(EXIT_UNAVAILABLE)


@app.command("policies")
def policies() -> None:
    """The retention policies in force."""
    services = operator()
    answer = call(services.archive.ListRetentionPolicies, archive_pb2.ListRetentionPoliciesRequest())
    rows = [
        (_kind(p), p.version, p.years, "vĩnh viễn, gia hạn" if p.permanent else "có hạn", p.legal_reference)
        for p in answer.policies
    ]
    show("Thời hạn lưu trữ", ("loại", "bản", "năm", "chế độ", "căn cứ"), rows, list(answer.policies))


def _kind(message: archive_pb2.Record | archive_pb2.RetentionPolicy) -> str:
    return archive_pb2.RecordKind.Name(message.kind).removeprefix("RECORD_KIND_")
