"""The table `mark` at the size of a city: does reading one class cost more than when the city was a
hundredth?

The rows are written straight into the table, in waves as a year brings them (every class's first
regular marks, then every class's second ones …), so that the marks of a class lie scattered as they
do in life. The key is built after the rows, because entering 128 million rows one sheet at a time
would take a day; its shape is the same.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench import school
from bench import stack as stacks
from bench.pairs import Tell, middle
from bench.report import Row
from deploy.local.layout import Stack
from services.common import db
from services.common.rows import one_row, scalars
from services.common.settings import DatabaseConfig
from services.gradebook.entry.store.class_data import MARKS_OF_CLASSES

STUDENTS = 1_100_000
"""Secondary students of a large city."""
CLASS = 45
_WAVES = [(semester, column) for semester in (1, 2) for column in (1, 2, 10, 3, 4, 11)]
_FULL, _SMALL = 7, 4
"""Subjects with four regular marks per semester, and with two: 116 marks per student and year."""
CELLS = 2 * (_FULL * 6 + _SMALL * 4)
_SUBJECTS = list(range(1, _FULL + _SMALL + 1))
_READS = 40
_KEY = "PRIMARY KEY (class_id, subject_id, semester, student_id, column_no)"
_SEMESTERS = [1, 2]

_WAVE = """
INSERT INTO mark (class_id, subject_id, student_id, version, semester, column_no, value, status)
SELECT c, s, c * %(size)s + k, 1, %(semester)s, %(column)s, abs(hashint4(c * 997 + s * 31 + k + %(column)s)) %% 101, 1
FROM (
    SELECT %(first)s + i / (%(size)s * %(subjects)s) AS c, i / %(size)s %% %(subjects)s + 1 AS s, i %% %(size)s AS k
    FROM generate_series(0, (%(last)s - %(first)s + 1) * %(size)s * %(subjects)s - 1) i
) sheets
"""


@dataclass(frozen=True)
class Read:
    """How a class was read: its plan without figures, pages touched (median of classes) and
    milliseconds (median).
    """

    plan: str
    buffers: float
    milliseconds: float
    text: str


def measure(stack: Stack, shares: tuple[float, ...], tell: Tell) -> list[Row]:
    """Rows of a class read at each share of a city, each in a database of its own."""
    rows = []
    reads = []
    for share in shares:
        classes = round(STUDENTS * share / CLASS)
        with stacks.empty_database(stack, "gradebook") as database:
            began = time.perf_counter()
            marks = fill(database, classes, tell)
            tell(f"{share:.0%} of a city: {marks:,} marks in {time.perf_counter() - began:.0f} s")
            measured = read(database, classes)
        tell(measured.text)
        reads.append(measured)
        rows += _rows(share, marks, measured, same=measured.plan == reads[0].plan)
    return rows


def fill(database: DatabaseConfig, classes: int, tell: Tell) -> int:
    """Fill an empty database's table `mark` with a year of so many classes. Returns how many marks
    that is.
    """
    db.migrate(database, [school.MIGRATIONS])
    with _patient(database) as connection:
        connection.execute("ALTER TABLE mark DROP CONSTRAINT mark_pkey")
    half = classes // 2
    for number, (semester, column) in enumerate(_WAVES, 1):
        subjects = _FULL if column in {3, 4} else _FULL + _SMALL
        values = {"semester": semester, "column": column, "subjects": subjects, "size": CLASS}
        ranges = [(first, last) for first, last in ((1, half), (half + 1, classes)) if first <= last]
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(_fill, database, {**values, "first": a, "last": b}) for a, b in ranges]:
                done.result()
        if classes > 1000:
            tell(f"wave {number} of {len(_WAVES)}")
    with _patient(database) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute(f"ALTER TABLE mark ADD {_KEY}")
        connection.execute("VACUUM (ANALYZE, FREEZE) mark")
    return marks_in(database)


def marks_in(database: DatabaseConfig) -> int:
    """Number of marks in a database."""
    with _patient(database) as connection:
        return one_row(scalars(connection, int, "SELECT count(*) FROM mark"))


def _fill(database: DatabaseConfig, values: dict[str, int]) -> None:
    with _patient(database) as connection:
        connection.execute(_WAVE, values)


def _patient(database: DatabaseConfig) -> db.Tx:
    connection = db.connect(db.as_owner(database), autocommit=True)
    connection.execute("SET statement_timeout = 0")
    return connection


def read(database: DatabaseConfig, classes: int) -> Read:
    """Read classes spread over the city, each twice, so that the second time measures work and not
    the disk.
    """
    answers: list[dict[str, Any]] = []
    with _patient(database) as connection:
        for number in range(_READS):
            chosen = 1 + number * (classes - 1) // (_READS - 1)
            explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {MARKS_OF_CLASSES}"
            for _ in range(2):
                (answer,) = one_row(scalars(connection, list, explained, ([chosen], _SUBJECTS, _SEMESTERS)))
            answers.append(answer)
    pages = [answer["Plan"]["Shared Hit Blocks"] + answer["Plan"]["Shared Read Blocks"] for answer in answers]
    shapes = sorted({shape(answer["Plan"]) for answer in answers})
    times = [answer["Execution Time"] for answer in answers]
    return Read(" | ".join(shapes), middle(pages), middle(times), _summary(answers[-1]["Plan"]))


def shape(plan: dict[str, Any]) -> str:
    """A plan's nodes from the top, without figures: what must not change as the table grows."""
    name = plan["Node Type"] + (f" using {plan['Index Name']}" if "Index Name" in plan else "")
    below = [shape(node) for node in plan.get("Plans", ())]
    return f"{name} ← {', '.join(below)}" if below else name


def _summary(plan: dict[str, Any]) -> str:
    return json.dumps(
        {name: plan[name] for name in ("Node Type", "Actual Rows", "Shared Hit Blocks", "Shared Read Blocks")}
    )


def _rows(share: float, marks: int, measured: Read, *, same: bool) -> list[Row]:
    name = f"city.read.{share * 100:g}_percent"
    note = f"{marks:,} marks; plan: {measured.plan}" + ("" if same else "; NOT the plan of the smallest share")
    return [
        Row(f"{name}.buffers", measured.buffers, "pages of 8 KiB", note=note),
        Row(f"{name}.time", measured.milliseconds, "ms", note=f"one class of {CLASS}, a year, second read"),
    ]
