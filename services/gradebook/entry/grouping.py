"""Which sheets share a transaction, and how many are entered at a time in a process (ADR-0034,
ADR-0048).
"""

import threading
from functools import partial

from services.common.db import Database
from services.common.together import Together
from services.gradebook.entry import marks
from services.gradebook.entry.marks import SheetEntry
from services.gradebook.entry.marks_with_remarks import enter_sheet
from services.gradebook.model.acts import NOTHING, Entered, EnteredAct

_SMALL_CELLS = 100
"""Most cells of a sheet that is entered together with others."""
_GROUPS_AT_ONCE, _SECOND_GROUP_FROM, _MOST_IN_GROUP = 2, 4, 16
"""Groups under way at a time, waiting sheets with which the second begins, sheets per group."""
_LARGE_AT_ONCE = 5
"""Larger sheets at a time: more only get in each other's way, and in that of small ones."""


class Grouping:
    """Enters sheets of a process. Threads share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._small: Together[SheetEntry, Entered | None] = Together(
            partial(marks.try_together, database),
            at_once=_GROUPS_AT_ONCE,
            another_group_from=_SECOND_GROUP_FROM,
            most=_MOST_IN_GROUP,
        )
        self._large = threading.BoundedSemaphore(_LARGE_AT_ONCE)

    def enter(self, entry: SheetEntry) -> EnteredAct:
        """Enter a sheet, all or nothing.

        Raises as `marks.enter_marks` and `marks_with_remarks.enter_sheet`.
        """
        if entry.remarks:
            return enter_sheet(self._database, entry)
        return EnteredAct(self._enter_marks(entry), NOTHING)

    def _enter_marks(self, entry: SheetEntry) -> Entered:
        if len(entry.rows) * len(entry.columns) > _SMALL_CELLS:
            with self._large:
                return marks.enter_marks(self._database, entry)
        entered = self._small.do(entry)
        # What has to wait does so here, where nobody waits for it.
        return marks.enter_marks(self._database, entry) if entered is None else entered
