"""Which windows settle a datum: none of another kind, none that closed within its month."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gradebook.model.attendance_rules import month_end
from services.gradebook.model.correction_rules import CorrectionKind, Datum, first_stage
from services.gradebook.model.domain import MIDTERM_COLUMN, REASSESSMENT_COLUMN, SUMMER, MarkKind, Semester, Stage
from services.gradebook.model.settling import Cover, WindowVerdict, cover, window_verdict
from services.gradebook.model.windows import WindowRow

YEAR = "2025-2026"
NOW = datetime(2026, 1, 15, tzinfo=UTC)
NO_SUMMER = frozenset({MarkKind.REGULAR, MarkKind.MIDTERM, MarkKind.FINAL})


def datum(kind: CorrectionKind, *, semester: int | None = None, column: int = 0, month: str = "") -> Datum:
    subject = 7 if kind is CorrectionKind.MARK else None
    return Datum(kind, 1, 2, subject_id=subject, semester=semester, column=column, month=month)


@pytest.mark.parametrize(
    ("what", "stage", "semesters", "kinds"),
    [
        (datum(CorrectionKind.MARK, semester=1, column=MIDTERM_COLUMN), Stage.SEMESTER_1, (1,), {MarkKind.MIDTERM}),
        (
            datum(CorrectionKind.MARK, semester=2, column=REASSESSMENT_COLUMN),
            Stage.AFTER_SUMMER,
            (2,),
            {MarkKind.REASSESSMENT},
        ),
        (datum(CorrectionKind.CONDUCT, semester=2), Stage.WHOLE_YEAR, (2,), NO_SUMMER),
        (datum(CorrectionKind.SUMMER_CONDUCT, semester=SUMMER), Stage.AFTER_SUMMER, (2,), {MarkKind.REASSESSMENT}),
        (datum(CorrectionKind.ABSENCES), Stage.WHOLE_YEAR, (1, 2), NO_SUMMER),
        (datum(CorrectionKind.ATTENDANCE, month="2025-08"), Stage.SEMESTER_1, (1,), NO_SUMMER),
        (datum(CorrectionKind.ATTENDANCE, month="2025-12"), Stage.SEMESTER_1, (1,), NO_SUMMER),
        (datum(CorrectionKind.ATTENDANCE, month="2026-01"), Stage.WHOLE_YEAR, (2,), NO_SUMMER),
        (datum(CorrectionKind.ATTENDANCE, month="2026-06"), Stage.WHOLE_YEAR, (2,), NO_SUMMER),
    ],
)
def test_where_each_datum_belongs(what: Datum, stage: Stage, semesters: tuple[int, ...], kinds: set[MarkKind]) -> None:
    covering = cover(what, YEAR)
    assert first_stage(what, YEAR) is stage
    assert (covering.semesters, covering.kinds) == (semesters, kinds)
    assert covering.ended == (month_end(what.month) if what.month else None)


def test_a_month_ends_at_midnight_in_vietnam() -> None:
    assert month_end("2025-12") == datetime(2025, 12, 31, 17, tzinfo=UTC)
    assert month_end("2026-02") == datetime(2026, 2, 28, 17, tzinfo=UTC)


def window(begin: datetime, end: datetime, closed: datetime | None) -> WindowRow:
    kinds = (MarkKind.REGULAR,)
    return WindowRow(1, "HK1", begin, end, (1,), kinds, closed, closed is None, (), "", False, "")


@pytest.mark.parametrize(
    ("month", "verdict"),
    [("2025-09", WindowVerdict.SETTLED), ("2025-10", WindowVerdict.SETTLED), ("2025-11", WindowVerdict.NOT_SETTLED)],
)
def test_a_window_that_closes_in_a_month_settles_those_before(month: str, verdict: WindowVerdict) -> None:
    begin, end = datetime(2025, 10, 1, tzinfo=UTC), datetime(2025, 11, 30, 16, 59, tzinfo=UTC)
    what = cover(datum(CorrectionKind.ATTENDANCE, month=month), YEAR)
    assert window_verdict([window(begin, end, end)], what, NOW) == (verdict, [])
    later = end + timedelta(minutes=1)  # midnight in Vietnam
    assert window_verdict([window(begin, later, later)], what, NOW) == (WindowVerdict.SETTLED, [])
    closing = WindowVerdict.CLOSING if verdict is WindowVerdict.SETTLED else verdict
    assert window_verdict([window(begin, end, None)], what, NOW)[0] is closing
    assert window_verdict([window(begin, end, None)], what, begin) == (WindowVerdict.OPEN, ["HK1"])


hours = st.integers(-2000, 2000).map(lambda hour: NOW + timedelta(hours=hour))


@st.composite
def windows(draw: st.DrawFn) -> WindowRow:
    """A window that is planned, open, closing, or closed before or after its planned time."""
    begin = draw(hours)
    end = begin + timedelta(hours=draw(st.integers(1, 1500)))
    closed = draw(st.none() | st.integers(0, 2000).map(lambda hour: begin + timedelta(hours=hour)))
    kinds = draw(st.frozensets(st.sampled_from(MarkKind), min_size=1))
    is_open = closed is None and begin <= NOW < end
    closed_time = None if closed is None or closed > NOW else closed
    return WindowRow(1, "W", begin, end, (1, 2), tuple(kinds), closed_time, is_open, (), "", False, "")


covers = st.builds(
    Cover,
    st.just(tuple(Semester)),
    st.frozensets(st.sampled_from(MarkKind), min_size=1),
    st.none() | hours,
)


def settles(window: WindowRow, what: Cover) -> bool:
    """Whether a past window ended when the data were complete."""
    end = window.closed_time or (window.close_time if window.close_time <= NOW else None)
    begun = window.closed_time is not None or window.open_time <= NOW
    return end is not None and begun and (what.ended is None or end >= what.ended)


@given(st.lists(windows(), max_size=5), covers)
def test_open_before_closing_before_settled(listed: list[WindowRow], what: Cover) -> None:
    verdict, _ = window_verdict(listed, what, NOW)
    of_kind = [window for window in listed if what.kinds & set(window.mark_kinds)]
    running = [w for w in of_kind if w.closed_time is None and w.open_time <= NOW < w.close_time]
    past = [window for window in of_kind if settles(window, what)]
    if running:
        assert verdict is WindowVerdict.OPEN
    elif any(window.closed_time is None for window in past):
        assert verdict is WindowVerdict.CLOSING
    else:
        assert verdict is (WindowVerdict.SETTLED if past else WindowVerdict.NOT_SETTLED)


@given(st.lists(windows(), max_size=4), covers)
def test_windows_of_other_kinds_change_nothing(listed: list[WindowRow], what: Cover) -> None:
    of_kind = [window for window in listed if what.kinds & set(window.mark_kinds)]
    assert window_verdict(listed, what, NOW) == window_verdict(of_kind, what, NOW)


@given(st.lists(windows(), max_size=4), covers)
def test_closing_settles_for_good_until_a_new_window_opens(listed: list[WindowRow], what: Cover) -> None:
    """Only an open window lets settled data be entered again."""
    closed = WindowRow(9, "X", NOW, NOW, (1, 2), tuple(what.kinds), what.ended or NOW, False, (), "", False, "")
    verdict, _ = window_verdict([*listed, closed], what, NOW)
    assert verdict is not WindowVerdict.NOT_SETTLED
    fresh = closed._replace(closed_time=None, open_time=NOW, close_time=NOW + timedelta(hours=1), is_open=True)
    assert window_verdict([*listed, closed, fresh], what, NOW)[0] is WindowVerdict.OPEN
