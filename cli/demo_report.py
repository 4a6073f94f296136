"""The end of the demo: fetch what the archive holds, verify it by our own and by strangers' tools, write the report."""

import hashlib
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hoso.archive.v1 import archive_pb2
from hoso.gradebook.v1 import books_pb2

from cli.archive import all_records, print_verification
from cli.connection import Services, call, download
from cli.output import EXIT_NEGATIVE, Output, console, show_json

Row = dict[str, Any]


def write(
    folder: Path, operator: Services, school: str, books: list[books_pb2.Book], step: Callable[[], None]
) -> list[Row]:
    """Verify and fetch every archived book; PDFs and report.json go into `folder`. One row a record.

    The bytes that are written are the ones that came out of the archive, and their digest is checked once more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_source = {(r.source, r.version): r for r in all_records(operator, school, archive_pb2.RECORD_KIND_CLASS_BOOK)}
    rows = []
    for book in books:
        rows.append(_row(folder, operator, by_source[book.id, book.version], book))
        step()
    report = folder / "report.json"
    report.write_text(json.dumps(rows, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return rows


def conclude(folder: Path, operator: Services, rows: list[Row]) -> int:
    """Show one record's verification in full, what strangers' tools say of it, and where everything is."""
    first = rows[0]
    answer = call(operator.archive.VerifyRecord, archive_pb2.VerifyRecordRequest(record=first["record"]), patient=True)
    good = all(row["verification"]["valid"] for row in rows)
    if Output.as_json:
        show_json(rows)
        return 0 if good else EXIT_NEGATIVE
    print_verification(answer)
    for tool, result in first["verification"]["tools"].items():
        console.print(f"{tool}: {'[green]chấp nhận[/]' if result else '[red]KHÔNG CHẤP NHẬN[/]'}")
    valid = sum(row["verification"]["valid"] for row in rows)
    console.print(f"\n[bold]{valid}/{len(rows)}[/] sổ đã đóng dấu số, khóa, lưu trữ và kiểm tra lại.")
    for label, text in (
        ("Tệp PDF:", f"{_short(folder)}/"),
        ("Báo cáo:", _short(folder / "report.json")),
        ("Kiểm tra một hồ sơ bất kì:", f".venv/bin/hoso archive verify {first['record']}"),
    ):
        console.print(f"{label} [cyan]{text}[/]", highlight=False, soft_wrap=True)
    return 0 if good else EXIT_NEGATIVE


def _short(path: Path) -> str:
    """The path as the reader would type it from here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _row(folder: Path, operator: Services, record: archive_pb2.Record, book: books_pb2.Book) -> Row:
    verified = call(operator.archive.VerifyRecord, archive_pb2.VerifyRecordRequest(record=record.id), patient=True)
    pdf = download(operator.archive.DownloadRecord, archive_pb2.DownloadRecordRequest(record=record.id))
    path = folder / f"{book.school_class.name}-v{book.version}.pdf"
    path.write_bytes(pdf)
    tools = _tools(path, signatures=len(verified.signatures))
    same = hashlib.sha256(pdf).digest() == record.object_sha256
    checks = {check.name: check.passed for check in verified.checks}
    return {
        "record": record.id,
        "class": book.school_class.name,
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
    """What poppler's pdfsig and qpdf, which know nothing of us, say of the file."""
    pdfsig = subprocess.run(["pdfsig", "-nocert", str(path)], capture_output=True, text=True, check=False)
    qpdf = subprocess.run(["qpdf", "--check", str(path)], capture_output=True, text=True, check=False)
    valid = pdfsig.stdout.count("Signature Validation: Signature is Valid.")
    return {"pdfsig": pdfsig.returncode == 0 and valid == signatures, "qpdf": qpdf.returncode == 0}
