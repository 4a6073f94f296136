"""`hoso export`: score sheets of a school, a class or a subject as a workbook that `hoso import`
reads.
"""

from pathlib import Path

from hoso.gradebook.v1 import common_pb2, marks_pb2

from cli.output import EXIT_NEGATIVE, errors, show
from cli.sheets import gradebook, write


def run(
    out: Path, school: str, school_year: str, *, classes: list[str], subjects: list[str], semester: int, force: bool
) -> int:
    """Write the workbook; the exit code."""
    if out.exists() and not force:
        errors.print(f"Tệp {out} đã có; thêm --force để ghi đè.", highlight=False)
        return EXIT_NEGATIVE
    services, _ = gradebook.vendor()
    request = marks_pb2.ExportMarksRequest(
        school=school,
        school_year=school_year,
        classes=classes,
        subjects=subjects,
        semester=common_pb2.Semester.ValueType(semester),
    )
    sheets = gradebook.export(services, request)
    if not sheets:
        errors.print("Không có bảng điểm nào theo yêu cầu.", highlight=False)
        return EXIT_NEGATIVE
    part = out.with_name(f"{out.name}.part")
    write.workbook(sheets).save(part)
    part.replace(out)
    summary = {"file": str(out), "sheets": len(sheets), "students": sum(len(sheet.rows) for sheet in sheets)}
    show(f"Đã ghi {out}", ("bảng điểm", "dòng học sinh"), [(summary["sheets"], summary["students"])], summary)
    return 0
