"""Approved corrections in frozen content, and attendance sheets that corrections change."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gradebook.books.content.corrections import corrections_list
from services.gradebook.model.attendance_rules import EXCUSED, PRESENT, SAID, UNEXCUSED, said, sheet
from services.gradebook.model.correction_rules import ApprovedCorrection, Change, CorrectionKind
from services.gradebook.model.domain import NOT_SAT_VALUE, REASSESSMENT_COLUMN, SUMMER
from services.gradebook.model.results import ClassStudent

STUDENT = ClassStudent("s5", 3, "S 5", "2014-01-01", "", 1, "", "", "", None, None, "", id=5)
PEOPLE = {name: (name, name.upper()) for name in ("requested_by", "confirmed_by", "approved_by")}


def approved(
    kind: CorrectionKind, *changes: Change, semester: int | None = None, column: int = 0, month: str = ""
) -> object:
    subject = "TOAN" if kind is CorrectionKind.MARK else None
    time = datetime(2026, 1, 12, 2, 30, tzinfo=UTC)
    correction = ApprovedCorrection(
        kind=kind,
        subject=subject,
        semester=semester,
        column=column,
        month=month,
        student_id=5,
        changes=changes,
        reason="Nhập nhầm.",
        time=time,
        **PEOPLE,
    )
    return [
        (c["subject"], c["semester"], c["column"], c["old"], c["new"])
        for c in corrections_list([correction], [STUDENT])
    ]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (
            approved(CorrectionKind.MARK, Change(0, None, 85), semester=1, column=2),
            [("TOAN", "SEMESTER_1", "REGULAR_2", None, "8.5")],
        ),
        (
            approved(CorrectionKind.MARK, Change(0, 50, NOT_SAT_VALUE), semester=2, column=REASSESSMENT_COLUMN),
            [("TOAN", "SEMESTER_2", "REASSESSED", "5", "ABSENT")],
        ),
        (
            approved(CorrectionKind.CONDUCT, Change(0, 4, 1), semester=2),
            [(None, "SEMESTER_2", "CONDUCT", "EXCELLENT", "UNSATISFACTORY")],
        ),
        (
            approved(CorrectionKind.SUMMER_CONDUCT, Change(0, None, 2), semester=SUMMER),
            [(None, None, "CONDUCT_AFTER_SUMMER", None, "SATISFACTORY")],
        ),
        (
            approved(CorrectionKind.ABSENCES, Change(1, 12, 12), Change(2, 40, 3)),
            [(None, None, "ABSENCES_UNEXCUSED", 40, 3)],
        ),
        (
            approved(CorrectionKind.ABSENCES, Change(1, None, 0), Change(2, None, 3)),
            [(None, None, "ABSENCES_EXCUSED", None, 0), (None, None, "ABSENCES_UNEXCUSED", None, 3)],
        ),
        (
            approved(
                CorrectionKind.ATTENDANCE, Change(31, UNEXCUSED, EXCUSED), Change(92, None, PRESENT), month="2025-10"
            ),
            [
                (None, None, "ATTENDANCE_2025-10-03_MORNING", "UNEXCUSED", "EXCUSED"),
                (None, None, "ATTENDANCE_2025-10-09_AFTERNOON", None, "PRESENT"),
            ],
        ),
    ],
)
def test_one_entry_per_changed_value(listed: object, expected: object) -> None:
    assert listed == expected


def test_a_student_outside_the_list_is_left_out() -> None:
    other = STUDENT.__class__(6, "s6", 1, "S 6", "2014-01-01", "", 1, "", "", "", None, None, "")
    assert corrections_list([], [other]) == []


sessions = st.dictionaries(
    st.sampled_from([10 * day + half for day in range(1, 32) for half in (1, 2)]), st.sampled_from(sorted(SAID))
)


@given(sessions, sessions)
def test_a_correction_changes_its_sessions_and_no_other(before: dict[int, int], new: dict[int, int]) -> None:
    old = sheet(before)
    after = said(sheet(said(old) | new))
    for session in range(11, 320):
        expected = new.get(session, said(old).get(session, PRESENT))
        assert after.get(session, PRESENT) == expected
    assert sheet(said(old)) == old
    assert not set(old.excused) & set(old.unexcused)
