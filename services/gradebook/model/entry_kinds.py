"""What an act of entry is about, and where the value of a cell comes from; stored as numbers."""

from enum import IntEnum


class EntryKind(IntEnum):
    """The kind of an act of entry (column `entry.kind`).

    CARRIED_*: what a student brought along from another class or school (ADR-0037).
    """

    MARKS = 1
    SETTLEMENT = 2
    CONDUCT = 3
    ABSENCES = 4
    CORRECTION = 5
    ATTENDANCE = 6
    CARRIED_MARKS = 11
    CARRIED_CONDUCT = 12
    CARRIED_ABSENCES = 13


class CellSource(IntEnum):
    """Where the value of a cell comes from (column `mark.status`): keyed, or 0 by rule for a mark never made up."""

    RECORDED = 1
    ZERO_BY_RULE = 2
