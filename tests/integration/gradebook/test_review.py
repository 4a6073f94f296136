"""Completeness and anomalies through real gRPC."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hoso.gradebook.v1 import review_pb2

from services.common.errors import Invalid
from services.common.settings import DatabaseConfig
from tests.integration.gradebook.world import (
    DEPARTMENT,
    FINAL,
    FIRST,
    MIDTERM,
    REGULAR,
    SEMESTER_1,
    World,
    columns_of,
    served,
)
from tests.servers import Pki

KIND = review_pb2.AnomalyKind


@pytest.fixture(scope="module")
def world(pki_files: Pki, database: Callable[[str], DatabaseConfig]) -> Iterator[World]:
    """Two classes of twelve under an open window; 6A1 has its marks in maths, where the mid-term
    was keyed twice.
    """
    with served(pki_files, database("gradebook"), students=12) as world:
        world.put_roster()
        world.plan_window()
        school_class = world.school.classes[0]
        rows = {}
        for index, student in enumerate(school_class.students):
            level = 5 + index % 4
            rows[student.id] = [str(level), str(level), str(level), str(level), f"{level}.5", f"{level}.5"]
        rows[school_class.students[3].id][0] = "0"
        rows[school_class.students[4].id][1] = ""
        rows[school_class.students[5].id][1] = ""
        world.enter(school_class, "TOAN", FIRST, columns_of(4), rows)
        world.settle(school_class, "TOAN", FIRST, (REGULAR, 2), [school_class.students[4].id])
        yield world


def test_completeness_counts_recorded_zero_by_rule_and_missing(world: World) -> None:
    first = world.ask("GetCompleteness", client=DEPARTMENT, **world.year, semester=FIRST, page_size=1)
    (school_class,) = first.classes
    maths = next(row for row in school_class.subjects if row.subject == "TOAN")
    assert (maths.required, maths.recorded, maths.zero_by_rule, maths.missing, maths.percent) == (72, 70, 1, 1, 98)
    assert list(maths.teachers) == list(world.school.classes[0].assignments["TOAN"])
    other = next(row for row in school_class.subjects if row.subject != "TOAN")
    assert (other.recorded, other.percent) == (0, 0)
    assert (school_class.school_class.name, school_class.missing_conduct) == ("6A1", 12)
    rest = world.ask("GetCompleteness", **world.year, semester=FIRST, page_token=first.next_page_token)
    assert [c.school_class.name for c in rest.classes] == ["6A2"]
    by_stage = world.ask("GetCompleteness", **world.year, stage=SEMESTER_1).classes[0]
    assert by_stage.subjects == school_class.subjects
    listed = world.ask("ListMissing", school_class=world.ref(world.school.classes[0]), stage=SEMESTER_1)
    assert (
        listed.total
        == sum(row.missing for row in school_class.subjects)
        + school_class.missing_conduct
        + school_class.missing_absences
    )


def test_a_review_names_the_cells_and_says_why(world: World) -> None:
    school_class = world.school.classes[0]
    answer = world.ask("ReviewClass", client=DEPARTMENT, school_class=world.ref(school_class), semester=FIRST)
    maths = [a for a in answer.anomalies if a.cells[0].subject == "TOAN"]
    outlier = next(a for a in maths if a.kind == KIND.ANOMALY_KIND_OUTLIER)
    assert [(c.student, c.value, c.column.kind, c.column.position) for c in outlier.cells] == [
        (school_class.students[3].id, "0", REGULAR, 1)
    ]
    assert f"học sinh số {school_class.students[3].number}" in outlier.sentence
    pairs = [
        {(c.column.kind, c.column.position) for c in a.cells}
        for a in maths
        if a.kind == KIND.ANOMALY_KIND_COLUMN_REPEATED
    ]
    assert {(MIDTERM, 0), (FINAL, 0)} in pairs
    missing = next(a for a in maths if a.kind == KIND.ANOMALY_KIND_MISSING)
    assert [c.student for c in missing.cells] == [school_class.students[5].id]
    assert answer.total == len(answer.anomalies)


def test_what_is_asked_must_be_one_thing(world: World) -> None:
    for fields, rule in (
        ({}, "ONE_OF"),
        ({"semester": FIRST, "stage": SEMESTER_1}, "ONE_OF"),
        ({"semester": 9}, "ENUM"),
        ({"stage": SEMESTER_1, "page_size": 51}, "PAGE_SIZE"),
    ):
        with pytest.raises(Invalid) as caught:
            world.ask("GetCompleteness", **world.year, **fields)
        assert caught.value.violations[0].rule == rule


def test_people_and_scripts_see_the_review(world: World, hoso: Callable[..., Any]) -> None:
    where = (*world.year.values(), "6A1")
    reviewed = hoso("review", "class", *where)
    assert reviewed["total"] == len(reviewed["anomalies"])
    table = " ".join(hoso("review", "class", *where, table=True).split())
    assert "COLUMN_REPEATED" in table
    assert "hai lần" in table
    rows = hoso("review", "progress", *world.year.values())
    assert [row["school_class"]["name"] for row in rows] == ["6A1", "6A2"]
    assert "GDDP" in hoso("review", "progress", *world.year.values(), table=True)
