"""Windows, snapshots and columns as messages."""

from typing import cast

from hoso.gradebook.v1 import common_pb2, marks_pb2

from services.common.message_fields import timestamp
from services.gradebook.entry.store.windows import SnapshotRow
from services.gradebook.model.domain import MarkKind, column_kind
from services.gradebook.model.windows import WindowRow


def window(one: WindowRow) -> marks_pb2.Window:
    """A window as it is planned, and how it was closed."""
    return marks_pb2.Window(
        name=one.name,
        open_time=timestamp(one.open_time),
        close_time=timestamp(one.close_time),
        semesters=cast("list[common_pb2.Semester.ValueType]", list(one.semesters)),
        mark_kinds=cast("list[common_pb2.MarkKind.ValueType]", list(one.mark_kinds)),
        closed_time=timestamp(one.closed_time),
        grade_levels=one.grade_levels,
        closed_by=one.closed_by,
        closed_by_time=one.closed_by_time,
    )


def snapshot(school: str, school_year: str, one: SnapshotRow) -> marks_pb2.Snapshot:
    """A snapshot without its bytes."""
    return marks_pb2.Snapshot(
        id=str(one.id),
        school_class=common_pb2.ClassRef(school=school, school_year=school_year, name=one.class_name),
        content_sha256=one.content_sha256,
        previous_sha256=one.previous_sha256 or b"",
        archive_record=one.archive_record,
        sequence=one.sequence,
    )


def mark_column(number: int) -> marks_pb2.MarkColumn:
    """A column of a score sheet by its number."""
    kind = column_kind(number)
    return marks_pb2.MarkColumn(
        kind=cast("common_pb2.MarkKind.ValueType", int(kind)), position=number if kind is MarkKind.REGULAR else 0
    )
