"""Results of a whole class: every average, learning result, conduct, promotion and award of a year,
computed from its marks.
"""

import statistics
import time

from bench import school
from bench import stack as stacks
from bench.pairs import Settings, Tell
from bench.report import Row
from cli.connection import Persons, Services
from demo import dossier
from demo.school import school as invent
from deploy.local.layout import Stack
from services.common.db import Database
from services.gradebook.entry.store import class_data
from services.gradebook.model import results
from services.gradebook.model.domain import Stage
from services.gradebook.roster import roster_store

STUDENTS = 45
TARGET_MS = 5.0


def measure(stack: Stack, settings: Settings, tell: Tell) -> list[Row]:
    """One row for the rules alone, and one with reading the class from the database."""
    tell(f"one class of {STUDENTS}: keying its year")
    with school.serving(stack) as config:
        configured = school.profile(stack)
        vendor = Services(configured, stacks.tls(stack, f"vendor/{dossier.VENDOR}"))
        invented = invent(classes=1, students_per_class=STUDENTS)
        school.enter_year(Services(configured, configured.tls), vendor, Persons(configured, invented.code), invented)
        database = Database(config)
        alone: list[float] = []
        whole: list[float] = []
        end = time.perf_counter() + settings.pairs * settings.seconds / 2
        while time.perf_counter() < end:
            began = time.perf_counter()
            with database.transaction(keep_plans=True) as tx:
                year = roster_store.year(tx, invented.code, invented.school_year)
                assert year is not None
                heads = class_data.heads(tx, year.id)
                data = class_data.read(tx, year.id, year.name, heads, Stage.WHOLE_YEAR.semesters)[heads[0].id]
            read = time.perf_counter()
            results.class_results(data, Stage.WHOLE_YEAR)
            ended = time.perf_counter()
            alone.append(ended - read)
            whole.append(ended - began)
        database.close()
    return rows(alone, whole)


def rows(alone: list[float], whole: list[float]) -> list[Row]:
    """The report's rows, from seconds."""
    spent = statistics.median(alone) * 1000
    met = "reached" if spent <= TARGET_MS else "MISSED"
    note = f"{STUDENTS} students, a year, median of {len(alone)}; target ≤ {TARGET_MS:g} ms {met}"
    return [
        Row("results.class_45", spent, "ms", note=note),
        Row("results.class_45.read", statistics.median(whole) * 1000, "ms", note="the same with reading the class"),
    ]
