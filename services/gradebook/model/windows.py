"""Entry windows in the form that the rules use."""

from datetime import datetime
from typing import NamedTuple


class WindowRow(NamedTuple):
    """An entry window.

    is_open: whether it admits entries at the moment of reading. grade_levels: empty for all.
    closed_by: person; empty when it closed by time.
    job_key: key of the job that closes it at its planned time.
    """

    id: int
    name: str
    open_time: datetime
    close_time: datetime
    semesters: tuple[int, ...]
    mark_kinds: tuple[int, ...]
    closed_time: datetime | None
    is_open: bool
    grade_levels: tuple[int, ...]
    closed_by: str
    closed_by_time: bool
    job_key: str

    def covers(self, grade_level: int) -> bool:
        """Whether the window is for classes of this grade."""
        return not self.grade_levels or grade_level in self.grade_levels
