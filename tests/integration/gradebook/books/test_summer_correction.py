"""Conduct after the summer, corrected once its window has closed."""

from typing import Any

import pytest
from hoso.gradebook.v1 import corrections_pb2

from services.common.errors import Invalid, Rejected
from services.print import content as printing
from tests.integration.gradebook.books.line import Announce, Line
from tests.integration.gradebook.books.summer import (
    SATISFACTORY,
    UNSATISFACTORY,
    failing,
    lock,
    missing,
    reasons,
    retest,
    train,
)
from tests.integration.gradebook.class_corrections import DEPUTY, ClassCorrections, deputy, refused
from tests.integration.gradebook.world import AFTER_SUMMER, REASSESSMENT, SECOND, World


def test_summer_conduct_is_corrected_after_its_window_and_the_locked_year_stays(
    world: World, announce: Announce
) -> None:
    # 1. A locked year, and a summer in which d was not trained.
    school_class = world.school.classes[0]
    a, b, c, d, e = failing(world, school_class)
    world.close_window()
    world.plan_window("HE", semesters=(SECOND,), kinds=(REASSESSMENT,))
    year = Line(world, announce)
    lock(year)
    corrections = ClassCorrections(world)
    deputy(world)

    def ask(student: str, level: int, **fields: Any) -> Any:
        return corrections.about(
            corrections_pb2.CORRECTION_KIND_SUMMER_CONDUCT, student=student, new_level=level, **fields
        )

    train(world, school_class, {c: SATISFACTORY, d: UNSATISFACTORY})
    for subject in ("VAN", "TOAN"):
        retest(world, school_class, subject, {a: "6", b: "2"})

    # 2. While the window is open it is entered, afterwards it is corrected.
    refused("WINDOW_OPEN", lambda: ask(d, SATISFACTORY))
    world.close_window("HE")
    with pytest.raises(Rejected) as closed:
        train(world, school_class, {d: SATISFACTORY})
    assert closed.value.reason == "WINDOW_CLOSED"
    summer = Line(world, announce, AFTER_SUMMER)

    # 3. Who may ask, and for what.
    refused("ROLE_REQUIRED", lambda: ask(d, SATISFACTORY, person=corrections.teacher))
    for student, level, fields, fault in (
        (e, SATISFACTORY, {}, ("student", "NOT_FOR_SUMMER_TRAINING")),
        (d, UNSATISFACTORY, {}, ("new_level", "UNCHANGED")),
        (d, 9, {}, ("new_level", "ENUM")),
        (d, SATISFACTORY, {"semester": SECOND}, ("semester", "NOT_ALLOWED")),
    ):
        with pytest.raises(Invalid) as wrong:
            ask(student, level, **fields)
        assert reasons(wrong.value) == [fault]

    # 4. The correction ends the book of the summer; that of the year was locked before and says
    # nothing of it.
    asked = ask(d, SATISFACTORY)
    assert (asked.semester, asked.old_level, asked.new_level, asked.old_version) == (
        0,
        UNSATISFACTORY,
        SATISFACTORY,
        1,
    )
    assert missing(world, school_class) == set()
    done = corrections.decide(corrections.confirm(asked, DEPUTY))
    assert list(done.voided_books) == [summer.book.id]
    assert year.state == "LOCKED"

    # 5. Trained and Đạt, the student has to be re-assessed.
    assert missing(world, school_class) == {("MARK", d, subject) for subject in ("VAN", "TOAN")}
    versions = world.ask(
        "GetDataHistory",
        school_class=world.ref(school_class),
        student=d,
        kind=corrections_pb2.CORRECTION_KIND_SUMMER_CONDUCT,
    ).versions
    assert [(v.level, v.kind) for v in versions] == [(UNSATISFACTORY, "ENTRY"), (SATISFACTORY, "CORRECTION")]
    world.plan_window("HE-2", semesters=(SECOND,), kinds=(REASSESSMENT,))
    for subject in ("VAN", "TOAN"):
        retest(world, school_class, subject, {d: "V"})
    world.close_window("HE-2")

    # 6. The new book and the transcripts list the correction.
    again = Line(world, announce, AFTER_SUMMER)
    content = printing.parse(world.ask("DownloadBookContent", client="service/print", book=again.book.id)).data
    assert [(c["student"], c["semester"], c["column"], c["old"], c["new"]) for c in content["corrections"]] == [
        (4, None, "CONDUCT_AFTER_SUMMER", "UNSATISFACTORY", "SATISFACTORY")
    ]
    assert content["year"]["evaluation"][3]["conduct_after_summer"] == "SATISFACTORY"
    assert year.freeze().content_sha256 == year.book.content_sha256
    lock(again)
    transcripts = world.ask(
        "FreezeClassTranscripts",
        person=school_class.homeroom_teacher,
        school_class=world.ref(school_class),
        stage=AFTER_SUMMER,
    ).books
    raw = world.ask("DownloadBookContent", client="service/print", book=transcripts[-1].id)
    corrected = printing.parse(raw).data["corrections"]
    assert [(k["column"], k["new"]) for k in corrected] == [("CONDUCT_AFTER_SUMMER", "SATISFACTORY")]
    refused("BOOK_LOCKED", lambda: ask(d, UNSATISFACTORY))
