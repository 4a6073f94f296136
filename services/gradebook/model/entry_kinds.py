"""What an act of entry is about, and where the value of a cell comes from; stored as numbers."""

from enum import IntEnum


class EntryKind(IntEnum):
    """The kind of an act of entry (column `entry.kind`).

    ATTENDANCE and the kinds below it have rows in tables of their own, which name the act's request
    id. CARRIED_*: what a student brought along from another class or school (ADR-0037).
    """

    MARKS = 1
    SETTLEMENT = 2
    CONDUCT = 3
    ABSENCES = 4
    CORRECTION = 5
    ATTENDANCE = 6
    REMARKS = 7
    ACHIEVEMENTS = 8
    EXEMPTION = 9
    CORRECTION_REQUEST = 10
    CARRIED_MARKS = 11
    CARRIED_CONDUCT = 12
    CARRIED_ABSENCES = 13
    CARRIED_EXEMPTION = 14


class CellSource(IntEnum):
    """Where the value of a cell comes from (column `mark.status`)."""

    RECORDED = 1
    ZERO_BY_RULE = 2
    """0 or CĐ by rule for a mark that was never made up."""
    WITHDRAWN = 3
