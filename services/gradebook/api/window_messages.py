"""Windows, snapshots and columns as messages."""

from typing import cast

from hoso.gradebook.v1 import common_pb2, marks_pb2

from services.common.message_fields import timestamp
from services.gradebook.entry.store.windows import SnapshotRow
from services.gradebook.model.domain import MarkKind, column_kind
from services.gradebook.model.windows import WindowRow


def window(row: WindowRow) -> marks_pb2.Window:
    """A window as it is planned, and how it was closed."""
    return marks_pb2.Window(
        name=row.name,
        open_time=timestamp(row.open_time),
        close_time=timestamp(row.close_time),
        semesters=cast("list[common_pb2.Semester.ValueType]", list(row.semesters)),
        mark_kinds=cast("list[common_pb2.MarkKind.ValueType]", list(row.mark_kinds)),
        closed_time=timestamp(row.closed_time),
        grade_levels=row.grade_levels,
        closed_by=row.closed_by,
        closed_by_time=row.closed_by_time,
    )


def snapshot(school: str, school_year: str, row: SnapshotRow) -> marks_pb2.Snapshot:
    """A snapshot without its bytes."""
    return marks_pb2.Snapshot(
        id=str(row.id),
        school_class=common_pb2.ClassRef(school=school, school_year=school_year, name=row.class_name),
        content_sha256=row.content_sha256,
        previous_sha256=row.previous_sha256 or b"",
        archive_record=row.archive_record,
        sequence=row.sequence,
    )


def mark_column(number: int) -> marks_pb2.MarkColumn:
    """A column of a score sheet by its number."""
    kind = column_kind(number)
    return marks_pb2.MarkColumn(
        kind=cast("common_pb2.MarkKind.ValueType", int(kind)), position=number if kind is MarkKind.REGULAR else 0
    )
