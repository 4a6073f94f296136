"""The stage after the summer, from the locked year to its own book: re-tests and training."""

import json
import uuid
from typing import Any

import pytest
from hoso.gradebook.v1 import class_book_pb2, common_pb2

from demo.school import SchoolClass
from services.common.errors import Invalid, Rejected
from services.print import content as printing
from tests.integration.gradebook.books.line import Announce, Line
from tests.integration.gradebook.books.summer import (
    SATISFACTORY,
    SCORED,
    UNSATISFACTORY,
    conduct,
    downloaded,
    failing,
    give,
    lock,
    missing,
    reasons,
    remark,
    retest,
    train,
)
from tests.integration.gradebook.world import AFTER_SUMMER, REASSESSMENT, SECOND, WHOLE_YEAR, World


def test_the_summer_from_the_locked_year_to_its_own_locked_book(world: World, announce: Announce) -> None:
    # 1. A year in which four students do not pass.
    school_class, other = world.school.classes
    a, b, c, d, e = failing(world, school_class)
    for student in other.students:
        give(world, other, student.id, dict.fromkeys(SCORED, "7"))
    conduct(world, other, {student.id: SATISFACTORY for student in other.students})
    remark(world, school_class, "2025-10", "Giáo viên ghi sổ đúng hạn.")
    world.close_window()
    world.plan_window("HE", semesters=(SECOND,), kinds=(REASSESSMENT,))

    # 2. Before the year is locked nothing of the summer is entered; an open window of the summer
    # does not hold its book up.
    year = Line(world, announce)
    for act in (
        lambda: retest(world, school_class, "VAN", {a: "6"}),
        lambda: train(world, school_class, {c: SATISFACTORY}),
    ):
        with pytest.raises(Rejected) as early:
            act()
        assert early.value.reason == "YEAR_NOT_LOCKED"
    with pytest.raises(Rejected) as unlocked:
        Line(world, announce, AFTER_SUMMER)
    assert unlocked.value.reason == "YEAR_NOT_LOCKED"
    lock(year)
    lock(Line(world, announce, index=1))

    # 3. Re-assessment and training: only for students who need it, in the subjects that do, and
    # training first.
    assert missing(world, school_class) == {
        *(("MARK", student, subject) for student in (a, b) for subject in ("VAN", "TOAN")),
        ("SUMMER_CONDUCT", c, ""),
        ("SUMMER_CONDUCT", d, ""),
    }
    for subject, marks in (("VAN", {a: "6", e: "6"}), ("VAN", {a: "6", d: "6"}), ("NN1", {e: "6", a: "9"})):
        with pytest.raises(Invalid) as wrong:
            retest(world, school_class, subject, marks)
        assert {rule for _, rule in reasons(wrong.value)} == {"NOT_FOR_RETEST"}
    with pytest.raises(Invalid) as untrained:
        train(world, school_class, {c: SATISFACTORY, e: SATISFACTORY})
    assert reasons(untrained.value) == [("rows[1].student", "NOT_FOR_SUMMER_TRAINING")]
    train(world, school_class, {c: SATISFACTORY, d: SATISFACTORY})
    assert retest(world, school_class, "VAN", {a: "6", b: "2", d: "V"}).changed == 3
    retest(world, school_class, "TOAN", {a: "5,5", b: "4"})
    assert missing(world, school_class) == {("MARK", d, "TOAN")}
    retest(world, school_class, "TOAN", {d: "4"})
    assert retest(world, school_class, "TOAN", {a: "6"}).changed == 1
    with pytest.raises(Invalid) as settled:
        world.settle(school_class, "VAN", SECOND, (REASSESSMENT, 0), [a])
    assert reasons(settled.value) == [("columns", "REASSESSMENT_NOT_SETTLED")]

    # 4. What follows from it for each student.
    students = world.ask("GetClassSummary", school_class=world.ref(school_class), stage=AFTER_SUMMER).students
    assert [s.promotion for s in students] == ["PROMOTED", "RETAINED", "PROMOTED", "RETAINED", "PROMOTED"]
    assert dict(students[0].after_summer.results) == {"VAN": "6.0", "TOAN": "6.0"}
    assert [s.after_summer.learning_result for s in students[:2]] == [common_pb2.LEVEL_GOOD, UNSATISFACTORY]
    assert students[2].after_summer.conduct_result == SATISFACTORY
    sheet = world.ask("GetMarkSheet", school_class=world.ref(school_class), subject="VAN", semester=SECOND).rows
    assert [row.reassessed for row in sheet] == ["6", "2", "", "V", ""]
    assert sheet[0].year_result == "3.0"

    # 5. The book after the summer, once its window is closed.
    with pytest.raises(Rejected) as open_window:
        Line(world, announce, AFTER_SUMMER)
    assert open_window.value.reason == "WINDOW_OPEN"
    world.close_window("HE")
    with pytest.raises(Rejected) as nothing:
        Line(world, announce, AFTER_SUMMER, index=1)
    assert nothing.value.reason == "NO_SUMMER_WORK"
    summer = Line(world, announce, AFTER_SUMMER)
    assert summer.freeze() == summer.book
    _check_content(downloaded(world, year), downloaded(world, summer))

    # 6. The book lives: nothing of its stage moves; the year stays as it was locked, with the same
    # bytes.
    world.plan_window("HE-2", semesters=(SECOND,), kinds=(REASSESSMENT,))
    for late in (
        lambda: retest(world, school_class, "VAN", {a: "7"}),
        lambda: train(world, school_class, {c: UNSATISFACTORY}),
        lambda: remark(world, school_class, "2025-10", "Nhận xét khác."),
    ):
        with pytest.raises(Rejected) as locked:
            late()
        assert locked.value.reason == "BOOK_LOCKED"
    world.close_window("HE-2")
    assert year.freeze().content_sha256 == year.book.content_sha256
    lock(summer)
    assert summer.state == "LOCKED"
    _check_transcripts(world, school_class, e)


def _check_transcripts(world: World, school_class: SchoolClass, untouched: str) -> None:
    """All students have a transcript of the year; some get a second one after the summer."""

    def freeze(stage: int) -> list[Any]:
        fields = {"person": school_class.homeroom_teacher, "school_class": world.ref(school_class), "stage": stage}
        books = world.ask("FreezeClassTranscripts", **fields).books
        raw = [world.ask("DownloadBookContent", client="service/print", book=book.id) for book in books]
        return [printing.parse(data).data["grades"][-1] for data in raw]

    year, summer = freeze(WHOLE_YEAR), freeze(AFTER_SUMMER)
    assert [row["promotion"] for row in year] == ["RETEST"] * 2 + ["SUMMER_TRAINING"] * 2 + ["PROMOTED"]
    assert [(row["promotion"], row["promoted_after_summer"]) for row in summer] == [
        ("PROMOTED", True),
        ("RETAINED", False),
        ("PROMOTED", True),
        ("RETAINED", False),
    ]
    for before, after in zip(year[:4], summer, strict=True):
        assert [s["year"] for s in before["subjects"]] == [s["year"] for s in after["subjects"]]
        assert {s["reassessed"] for s in before["subjects"]} == {None}
        assert before["absent_sessions"] == after["absent_sessions"] == {"excused": 2, "unexcused": 0}
        assert before["source"]["class_book"] != after["source"]["class_book"]
    assert {s["code"]: s["reassessed"] for s in summer[3]["subjects"] if s["code"] in ("VAN", "TOAN")} == {
        "VAN": None,
        "TOAN": "4.0",
    }
    with pytest.raises(Rejected) as nothing:
        world.ask(
            "FreezeBook",
            person=school_class.homeroom_teacher,
            record_type=common_pb2.RECORD_TYPE_TRANSCRIPT,
            school_class=world.ref(school_class),
            student=untouched,
            stage=AFTER_SUMMER,
        )
    assert nothing.value.reason == "NO_RESULT"


def _check_content(year: dict[str, Any], summer: dict[str, Any]) -> None:
    """The summer adds columns and changes none; the remark is in both books."""
    assert (year["stage"], summer["stage"]) == ("WHOLE_YEAR", "AFTER_SUMMER")
    assert [row["promotion"] for row in year["year"]["evaluation"]] == [
        "RETEST",
        "RETEST",
        "SUMMER_TRAINING",
        "SUMMER_TRAINING",
        "PROMOTED",
    ]
    assert year["year"]["summary"] == summer["year"]["summary"]
    assert year["semesters"][0] == summer["semesters"][0]
    added = {}
    for before, after in zip(year["semesters"][1]["marks"], summer["semesters"][1]["marks"], strict=True):
        for old, new in zip(before["rows"], after["rows"], strict=True):
            assert {**new, "reassessed": None} == old
            if new["reassessed"] is not None:
                added[after["subject"], new["student"]] = new["reassessed"]
    assert added == {
        ("VAN", 1): "6.0",
        ("VAN", 2): "2.0",
        ("VAN", 4): "ABSENT",
        ("TOAN", 1): "6.0",
        ("TOAN", 2): "4.0",
        ("TOAN", 4): "4.0",
    }
    evaluation = summer["year"]["evaluation"]
    assert [row["conduct_after_summer"] for row in evaluation] == [None, None, "SATISFACTORY", "SATISFACTORY", None]
    assert [row["learning_after_summer"] for row in evaluation] == [
        "GOOD",
        "UNSATISFACTORY",
        None,
        "UNSATISFACTORY",
        None,
    ]
    totals = summer["year"]["totals"]
    assert totals == {
        "students": 5,
        "promoted": 3,
        "promoted_after_summer": 2,
        "not_promoted": 2,
        "pending_summer": 0,
    }
    assert [(remark["month"], remark["remark"]) for remark in summer["principal_remarks"]] == [
        ("2025-10", "Giáo viên ghi sổ đúng hạn.")
    ]
    assert year["principal_remarks"] == summer["principal_remarks"]


def test_attendance_stands_in_the_books_that_hold_its_months(world: World, announce: Announce) -> None:
    school_class = world.school.classes[0]

    def enter(month: str, absences: list[tuple[int, int]]) -> None:
        rows = [class_book_pb2.AttendanceRow(student=student.id) for student in school_class.students]
        rows[0].absences.extend(
            class_book_pb2.Absence(day=day, session=half, excused=True)  # type: ignore[arg-type]
            for day, half in absences
        )
        world.ask(
            "EnterAttendance",
            person=school_class.homeroom_teacher,
            request_id=str(uuid.uuid4()),
            school_class=world.ref(school_class),
            month=month,
            rows=rows,
        )

    # 1. All months but the last are kept; the books hold those of their stage.
    months = [f"2025-{m:02d}" for m in range(9, 13)] + [f"2026-{m:02d}" for m in range(1, 6)]
    for index, month in enumerate(months[:-1]):
        enter(month, [(index + 1, 1), (index + 1, 2)])
    world.close_window()
    first = downloaded(world, Line(world, announce, common_pb2.STAGE_SEMESTER_1))
    assert [sheet["month"] for sheet in first["attendance"]] == months[:4]
    with pytest.raises(Rejected) as incomplete:
        Line(world, announce, WHOLE_YEAR)
    assert "ATTENDANCE 1 2026-05" in incomplete.value.facts["first"]

    # 2. The last month comes in a later window; a month that a book holds does not move.
    with pytest.raises(Rejected) as closed:
        enter("2026-05", [(29, 1)])
    assert closed.value.reason == "WINDOW_CLOSED"
    world.plan_window("LAI")
    with pytest.raises(Rejected) as held:
        enter("2025-10", [])
    assert held.value.reason == "BOOK_LOCKED"
    enter("2026-05", [(29, 1)])  # January to May are in no living book
    world.close_window("LAI")

    # 3. The book of the year holds every month and their sum.
    year = downloaded(world, Line(world, announce, WHOLE_YEAR))
    assert [sheet["month"] for sheet in year["attendance"]] == months
    assert year["attendance"][4]["rows"][0] == {
        "student": 1,
        "absences": [
            {"day": 5, "session": "MORNING", "excused": True},
            {"day": 5, "session": "AFTERNOON", "excused": True},
        ],
        "excused": 2,
        "unexcused": 0,
    }
    assert year["year"]["evaluation"][0]["absent_sessions"] == 17

    # 4. The snapshot holds the months that there were when its window closed.
    snapshot = world.ask("GetWindow", **world.year, window="CN").snapshots[0]
    kept = json.loads(world.ask("DownloadSnapshot", client="service/archive", snapshot=snapshot.id))
    assert kept["format"] == "hoso/class-snapshot/2"
    assert list(kept["attendance"]) == months[:-1]
    assert kept["attendance"]["2026-01"][:2] == [
        {"excused": ["05M", "05A"], "unexcused": []},
        {"excused": [], "unexcused": []},
    ]
    assert kept["absences"][0] == {"excused": 16, "unexcused": 0}
