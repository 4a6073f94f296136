"""What the bench reads out of the kernel and out of a book's history."""

import os
import subprocess

import pytest

from bench.line import Step, line_rows, memory_rows
from bench.machine import cpu_model
from bench.memory import Memory, descendants, of_tree, parse

ROLLUP = """\
55d0c0a00000-7ffd1a3f2000 ---p 00000000 00:00 0                          [rollup]
Rss:               10240 kB
Pss:                4096 kB
Pss_Dirty:          1024 kB
Shared_Clean:       6144 kB
"""


def test_rss_and_pss_are_read_in_bytes() -> None:
    assert parse(ROLLUP) == Memory(10240 * 1024, 4096 * 1024, 1)


def test_a_text_without_figures_is_an_error() -> None:
    with pytest.raises(KeyError):
        parse("")


def test_memory_adds_up() -> None:
    assert Memory(1, 2) + Memory(10, 20, 3) == Memory(11, 22, 4)


def test_descendants_are_found_whatever_their_depth_and_others_are_not() -> None:
    parents = {2: 1, 3: 1, 4: 3, 5: 4, 9: 8}
    assert sorted(descendants(3, parents)) == [3, 4, 5]


def test_a_child_counts_with_its_parent() -> None:
    alone = of_tree(os.getpid())
    with subprocess.Popen(["sleep", "60"]) as child:
        both = of_tree(os.getpid())
        child.kill()
    assert both.processes == alone.processes + 1
    assert 0 < both.pss <= both.rss


def test_the_line_ends_at_the_archive_and_names_are_unique() -> None:
    steps = [
        Step("DATA_COMPLETE", 11.0, True),
        Step("PRINTED_UNSIGNED", 14.0, False),
        Step("UNDER_RECONCILIATION", 15.0, True),
        Step("UNDER_RECONCILIATION", 17.0, True),
        Step("ARCHIVED", 20.0, False),
        Step("RETURNED", 90.0, True),
    ]
    rows = line_rows(4.0, 10.0, steps, 42)
    values = {row.name: row.value for row in rows}
    assert len(values) == len(rows)
    assert values["line.total"] == 16.0
    assert values["line.keyed"] == 6.0
    assert values["line.under_reconciliation.2"] == 2.0
    assert values["line.by_system"] + values["line.by_people"] + values["line.keyed"] == values["line.total"]
    assert values["line.by_system"] == 6.0
    assert "line.returned" not in values


def test_a_book_that_is_not_archived_gives_no_time() -> None:
    with pytest.raises(RuntimeError, match="DATA_COMPLETE"):
        line_rows(0.0, 1.0, [Step("DATA_COMPLETE", 2.0, True)], 42)


def test_memory_rows_end_with_their_sum_and_tell_what_came_later() -> None:
    mib = 2**20
    idle = {"a": Memory(30 * mib, 10 * mib), "b": Memory(50 * mib, 20 * mib, 2)}
    *_, b, whole = memory_rows(idle, {"a": Memory(30 * mib, 11 * mib), "b": Memory(70 * mib, 29 * mib, 3)})
    assert (b.name, b.value, b.unit) == ("memory.b", 20.0, "MiB PSS")
    assert "RSS 50 MiB in 2 processes" in b.note
    assert "PSS 29 MiB in 3 processes" in b.note
    assert (whole.name, whole.value) == ("memory.all", 30.0)
    assert "PSS 40 MiB" in whole.note


def test_the_processor_is_named_when_the_machine_says_it() -> None:
    assert cpu_model("processor\t: 0\nmodel name\t: AMD EPYC 7\nmodel name\t: AMD EPYC 7\n") == "AMD EPYC 7"
    assert cpu_model("processor : 0\n") == ""
