"""From what Excel keeps in a cell to a mark."""

import datetime as dt
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.sheets.values import BadCell, birth_date, canonical, identifier, mark_text
from services.gradebook.rules import SCORES, BadMark, SubjectKind

SCORE, COMMENT = SubjectKind.COMMENT_AND_SCORE, SubjectKind.COMMENT_ONLY


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", ""),
        ("  \u00a0", ""),
        (8, "8"),
        (8.0, "8"),
        (7.5, "7.5"),
        (8.299999999, "8.3"),
        (8.300000001, "8.3"),
        (0.1 + 0.2, "0.3"),
        (0, "0"),
        (10, "10"),
        ("7,5", "7.5"),
        ("7.5 ", "7.5"),
        ("'8", "8"),
        ("8.29999999999", "8.3"),
        ("10,0", "10"),
        ("-", "-"),
        ("–", "-"),
    ],
)
def test_scores(value: object, text: str) -> None:
    assert mark_text(value, SCORE) == text


@pytest.mark.parametrize(
    ("value", "rule", "words"),
    [
        (8.25, "MARK_PRECISION", "điểm 8,25 phải làm tròn đến một chữ số thập phân"),
        ("8,25", "MARK_PRECISION", "điểm 8,25 phải làm tròn"),
        (11, "MARK_OUT_OF_RANGE", "điểm 11 ngoài thang điểm"),
        (75, "MARK_OUT_OF_RANGE", "có phải 7,5?"),
        (-1, "MARK_OUT_OF_RANGE", "ngoài thang điểm"),
        ("11", "MARK_OUT_OF_RANGE", "từ 0 đến 10"),
        ("NaN", "MARK_FORMAT", "không phải điểm số"),
        (float("nan"), "MARK_OUT_OF_RANGE", "ngoài thang điểm"),
        (float("inf"), "MARK_OUT_OF_RANGE", "ngoài thang điểm"),
        ("8..5", "MARK_FORMAT", "không phải điểm số"),
        ("vắng", "MARK_FORMAT", "điểm có kí tự lạ"),
        ("Đ", "MARK_FORMAT", ""),
        (True, "MARK_FORMAT", "đúng/sai"),
        (dt.datetime(2026, 5, 7, tzinfo=dt.UTC), "MARK_IS_DATE", "07/05/2026 (có phải 7,5?)"),
        (dt.date(2026, 12, 7), "MARK_IS_DATE", "07/12/2026;"),
        (dt.time(7, 30), "MARK_IS_DATE", "thành giờ"),
    ],
)
def test_a_text_that_is_no_score_is_explained(value: object, rule: str, words: str) -> None:
    with pytest.raises(BadCell) as caught:
        mark_text(value, SCORE)
    assert caught.value.rule == rule
    assert words in str(caught.value)
    assert str(caught.value)[0].islower()
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Đ", "Đ"),
        ("đ ", "Đ"),
        ("cđ", "CĐ"),
        ("chưa đạt", "CĐ"),
        (unicodedata.normalize("NFD", "Chưa Đạt"), "CĐ"),
        (None, ""),
        ("-", "-"),
    ],
)
def test_comments(value: object, text: str) -> None:
    assert mark_text(value, COMMENT) == text


@pytest.mark.parametrize("value", [8, "8", "D", "CD", "x", True])
def test_a_text_that_is_no_comment_is_explained(value: object) -> None:
    with pytest.raises(BadCell):
        mark_text(value, COMMENT)


@given(st.integers(0, 100), st.floats(-4e-7, 4e-7))
def test_every_score_survives_the_noise_of_floating_point(tenths: int, noise: float) -> None:
    value = tenths / 10 + noise
    if 0 <= value <= 10:
        text = mark_text(value, SCORE)
        assert SCORES[text] == tenths
        assert mark_text(text, SCORE) == mark_text(text.replace(".", ","), SCORE) == text


@given(st.floats(0, 10).filter(lambda x: abs(x * 10 - round(x * 10)) > 2e-5))
def test_nothing_between_two_scores_is_rounded_silently(value: float) -> None:
    with pytest.raises(BadCell) as caught:
        mark_text(value, SCORE)
    assert caught.value.rule == "MARK_PRECISION"


@given(st.text(max_size=8), st.sampled_from([SCORE, COMMENT]))
def test_any_text_is_a_canonical_mark_or_explained(text: str, kind: SubjectKind) -> None:
    try:
        mark = mark_text(text, kind)
    except BadCell as e:
        assert e.rule.startswith("MARK_")
        return
    assert mark in {"", "-"} or canonical(mark, kind) == mark


def test_canonical_refuses_a_text_that_is_no_mark() -> None:
    with pytest.raises(BadMark):
        canonical("11", SCORE)


def test_ids_that_excel_made_numbers() -> None:
    assert identifier(31705001) == identifier(31705001.0) == identifier(" 31705001 ") == "31705001"
    assert identifier(None) == ""
    for lost in (1.5, 1e16, 10**16):
        with pytest.raises(BadCell):
            identifier(lost)


def test_birth_dates_in_many_spellings() -> None:
    for value in (
        dt.datetime(2014, 3, 9, tzinfo=dt.UTC),
        dt.date(2014, 3, 9),
        "09/03/2014",
        "9/3/2014",
        "9-3-2014",
        "2014-03-09",
    ):
        assert birth_date(value) == "2014-03-09"
    for value in (None, "", "2014", "31/02/2014", 41707):
        assert birth_date(value) == ""
