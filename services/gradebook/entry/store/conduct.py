"""Conduct levels, and the year's absences where totals are keyed: written with their acts."""

from collections.abc import Sequence
from typing import NamedTuple

from services.common.db import Tx
from services.common.rows import one_row, rows
from services.gradebook.entry.store.acts import ACT_COLUMNS, ACT_VALUES, Written, act_columns
from services.gradebook.model.acts import CellArrays, EntryAct, act_sha256, json_array
from services.gradebook.model.sheet_rules import CellState


class _Cells(NamedTuple):
    """The columns of an act that hold its cells."""

    students: list[int]
    columns: list[int]
    versions: list[int]
    vals: list[int]


_RECORD = f""", gathered AS (
    SELECT count(*)::int AS changed, coalesce(array_agg(student_id), '{{}}') AS students,
    coalesce(array_agg(column_no), '{{}}') AS columns, coalesce(array_agg(version), '{{}}') AS versions,
    coalesce(array_agg(value), '{{}}') AS vals FROM changes
)
INSERT INTO entry ({ACT_COLUMNS})
SELECT {ACT_VALUES}, changed, %(count)s - changed, NULL, NULL, students, columns, versions, vals FROM gathered
RETURNING students, columns, versions, vals
"""  # noqa: S608 - constants
"""Completes a statement whose CTE `changes` writes cells by the act that records them."""

_CONDUCT = f"""
WITH changes AS (
    INSERT INTO conduct AS m (class_id, student_id, semester, level, version)
    SELECT %(class_id)s, student_id, %(semester)s, value, 1
    FROM unnest(%(students)s::int[], %(levels)s::smallint[]) AS t (student_id, value) ORDER BY student_id
    ON CONFLICT (class_id, semester, student_id) DO UPDATE SET level = excluded.level, version = m.version + 1
    WHERE m.level <> excluded.level
    RETURNING student_id, 0::smallint AS column_no, version, level AS value
){_RECORD}"""  # noqa: S608 - constants


def write_conduct(tx: Tx, act: EntryAct, students: Sequence[int], levels: Sequence[int]) -> Written:
    """Write conduct levels (ranks 1-4) that differ, and the act."""
    values: dict[str, object] = {"count": len(students), "students": list(students), "levels": list(levels)}
    return _written(act, one_row(rows(tx, _Cells, _CONDUCT, act_columns(act) | values)))


_ABSENCE = f"""
WITH written AS (
    INSERT INTO absence AS m (class_id, student_id, excused, unexcused, version)
    SELECT %(class_id)s, student_id, excused, unexcused, 1
    FROM unnest(%(students)s::int[], %(excused)s::smallint[], %(unexcused)s::smallint[])
    AS t (student_id, excused, unexcused) ORDER BY student_id
    ON CONFLICT (class_id, student_id) DO UPDATE
    SET excused = excluded.excused, unexcused = excluded.unexcused, version = m.version + 1
    WHERE (m.excused, m.unexcused) <> (excluded.excused, excluded.unexcused)
    RETURNING student_id, version, excused, unexcused
), changes AS (
    SELECT student_id, column_no, version, value FROM written,
    LATERAL (VALUES (1::smallint, excused), (2::smallint, unexcused)) AS v (column_no, value)
){_RECORD}"""  # noqa: S608 - constants


def write_absences(
    tx: Tx, act: EntryAct, students: Sequence[int], excused: Sequence[int], unexcused: Sequence[int]
) -> Written:
    """Write absence totals that differ, and the act, whose columns are 1 (excused) and 2."""
    values: dict[str, object] = {
        "count": 2 * len(students),
        "students": list(students),
        "excused": list(excused),
        "unexcused": list(unexcused),
    }
    return _written(act, one_row(rows(tx, _Cells, _ABSENCE, act_columns(act) | values)))


def level_state(tx: Tx, class_id: int, semester: int, student_id: int) -> CellState | None:
    """A student's conduct level; None when none was ever entered."""
    return rows(
        tx,
        CellState,
        "SELECT level AS value, false AS zero_by_rule, version FROM conduct"
        " WHERE class_id = %s AND semester = %s AND student_id = %s",
        (class_id, semester, student_id),
    ).fetchone()


def _written(act: EntryAct, cells: _Cells) -> Written:
    return Written(len(cells.students), act_sha256(act, CellArrays._make(map(json_array, cells))))
