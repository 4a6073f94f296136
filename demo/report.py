"""The end of the demo: fetch and verify every archived record, also by other tools, and report."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hoso.archive.v1 import archive_pb2
from hoso.gradebook.v1 import books_pb2, common_pb2

from cli import words
from cli.archive import print_verification
from cli.books import record_type_name, state_name
from cli.connection import Services, call, download
from cli.output import EXIT_NEGATIVE, Output, console, show_json, styled
from demo.load import in_parallel

Row = dict[str, Any]


def write(folder: Path, operator: Services, books: Sequence[books_pb2.Book], step: Callable[[], None]) -> list[Row]:
    """Verify and fetch every archived book; returns one row per record.

    The PDFs go into one folder per school, with the rows in report.json next to them. They are
    written as fetched from the archive, and their digest is checked once more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # what an earlier run left is private too
    rows: list[Row] = [{}] * len(books)

    def fill(index: int) -> None:
        rows[index] = _row(folder, operator, books[index])

    in_parallel((partial(fill, index) for index in range(len(books))), step)
    report = folder / "report.json"
    report.write_text(json.dumps(rows, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return rows


def conclude(folder: Path, operator: Services, rows: list[Row]) -> int:
    """Show a record's full verification, the verdicts of other tools, and where the files are."""
    first = next((row for row in rows if row["type"] == "TRANSCRIPT"), rows[0])
    answer = call(operator.archive.VerifyRecord, archive_pb2.VerifyRecordRequest(record=first["record"]), patient=True)
    good = all(row["verification"]["valid"] for row in rows)
    if Output.as_json:
        show_json(rows)
        return 0 if good else EXIT_NEGATIVE
    print_verification(answer)
    for tool, result in first["verification"]["tools"].items():
        verdict = ("chấp nhận", "green") if result else ("KHÔNG CHẤP NHẬN", "red")
        console.print(styled(f"{tool}: ", verdict))
    console.print()
    for kind in words.RECORD_TYPES:
        of_kind = [row["verification"]["valid"] for row in rows if row["type"] == record_type_name(kind)]
        if of_kind:
            title = words.record_type(kind)
            done = f"{sum(of_kind)}/{len(of_kind)}"
            console.print(styled((done, "bold"), f" {title} đã ký số, khóa, lưu trữ và kiểm tra lại."))
    for label, text in (
        ("Tệp PDF:", f"{_short(folder)}/"),
        ("Báo cáo:", _short(folder / "report.json")),
        ("Kiểm tra một hồ sơ bất kì:", f".venv/bin/hoso archive verify {first['record']}"),
    ):
        console.print(styled(f"{label} ", (text, "cyan")), highlight=False, soft_wrap=True)
    return 0 if good else EXIT_NEGATIVE


def _short(path: Path) -> str:
    """The path as typed from the current folder."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def file_name(book: books_pb2.Book) -> str:
    """Such as ``class_book_6A1_whole_year_v1.pdf``: record type, holder, stage, version.

    It is unique within a school.
    """
    kind = record_type_name(book.record_type)
    stage = common_pb2.Stage.Name(book.stage).removeprefix("STAGE_")
    whose = book.student or book.teacher or book.school_class.name or book.school_class.school
    return f"{kind}_{whose}_{stage}_v{book.version}.pdf".lower().replace(whose.lower(), whose)


def _row(folder: Path, operator: Services, book: books_pb2.Book) -> Row:
    request = archive_pb2.VerifyRecordRequest(record=book.archive_record)
    verified = call(operator.archive.VerifyRecord, request, patient=True)
    record = call(
        operator.archive.GetRecord, archive_pb2.GetRecordRequest(record=book.archive_record), patient=True
    ).record
    pdf = download(operator.archive.DownloadRecord, archive_pb2.DownloadRecordRequest(record=record.id))
    path = folder / book.school_class.school / file_name(book)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pdf)
    tools = _tools(path, signatures=len(verified.signatures))
    same = hashlib.sha256(pdf).digest() == record.object_sha256
    checks = {check.name: check.passed for check in verified.checks}
    return {
        "record": record.id,
        "school": book.school_class.school,
        "type": record_type_name(book.record_type),
        "stage": common_pb2.Stage.Name(book.stage).removeprefix("STAGE_"),
        "class": book.school_class.name,
        "holder": book.student or book.teacher,
        "state": state_name(book.state),
        "version": record.version,
        "pdf_path": str(path),
        "content_digest": record.content_sha256.hex(),
        "pdf_digest": record.object_sha256.hex(),
        "signers": [
            {
                "order": s.order,
                "role": s.role,
                "signatory": s.signatory,
                "name": s.name,
                "field": s.field,
                "time": s.sign_time.ToJsonString(),
            }
            for s in verified.signatures
        ],
        "bucket": record.bucket,
        "key": record.key,
        "version_id": record.version_id,
        "retained_until": record.retain_until_time.ToJsonString(),
        "verification": {
            "valid": verified.valid and same and all(tools.values()),
            "checks": checks,
            "digest_of_download": same,
            "tools": tools,
        },
    }


def _tools(path: Path, *, signatures: int) -> Mapping[str, bool]:
    """The verdicts of poppler's pdfsig and of qpdf, tools independent of this project."""
    pdfsig = subprocess.run(["pdfsig", "-nocert", str(path)], capture_output=True, text=True, check=False)
    qpdf = subprocess.run(["qpdf", "--check", str(path)], capture_output=True, text=True, check=False)
    valid = pdfsig.stdout.count("Signature Validation: Signature is Valid.")
    return {"pdfsig": pdfsig.returncode == 0 and valid == signatures, "qpdf": qpdf.returncode == 0}
