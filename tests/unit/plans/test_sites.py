"""Which calls execute SQL, however they are written, and from how many statements they choose."""

import pytest

from tests.integration.plans.recording import sites_in

HEAD = """
from services.common import db, rows as by_name
from services.common.db import trip
from services.common.rows import rows, scalars as values
"""


def found(body: str) -> list[int]:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return [site.texts for site in sites_in(f"{HEAD}\ndef read(tx, kind):\n{lines}", "x.py")]


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ('tx.execute("A")', [1]),
        ('tx.cursor().stream("A")', [1]),
        ('tx.executemany("A", [])', [1]),
        ('rows(tx, dict, "A")', [1]),
        ('values(tx, int, "A")', [1]),
        ('by_name.rows(tx, dict, "A")', [1]),
        ("trip(tx, a, b)", [1]),
        ("db.trip(tx, a)", [1]),
        ('rows.append("A")', []),
        ("tpool.execute(work, 1)", []),
        ('tx.execute("A" if kind else "B")', [2]),
        ('statement = "A" if kind else "B"\ntx.execute(statement)', [2]),
        ('statement = "A"\nif kind:\n    statement = "B"\ntx.execute(statement)', [2]),
        ('statement = "A"\nif kind:\n    statement += " WHERE x"\ntx.execute(statement)', [2]),
        ("lock = 'FOR UPDATE' if kind else ''\ntx.execute(f\"A {lock}\")", [2]),
        ('tx.execute("A" + ("B" if kind else "C"))', [2]),
        ('statement = "A"\ntx.execute(statement)', [1]),
    ],
)
def test_calls_that_execute(body: str, texts: list[int]) -> None:
    assert found(body) == texts
