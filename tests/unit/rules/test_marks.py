"""Reading single marks."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gradebook.rules import (
    BadMark,
    Cell,
    CellStatus,
    Comment,
    SubjectKind,
    counting_mark,
    format_mark,
    parse_comment,
    parse_mark,
    parse_score,
)

SCORED, COMMENT = SubjectKind.COMMENT_AND_SCORE, SubjectKind.COMMENT_ONLY


@pytest.mark.parametrize(
    ("text", "tenths"),
    [("8", 80), ("8.5", 85), ("8,5", 85), ("8.0", 80), ("0", 0), ("0,0", 0), ("10", 100), ("10.0", 100), ("10,0", 100)],
)
def test_score_accepted(text, tenths):
    assert parse_mark(SCORED, text) == tenths


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("8,25", "MARK_PRECISION"),
        ("8.50", "MARK_PRECISION"),
        ("10.1", "MARK_OUT_OF_RANGE"),
        ("10,05", "MARK_OUT_OF_RANGE"),
        ("11", "MARK_OUT_OF_RANGE"),
        ("100", "MARK_OUT_OF_RANGE"),
        ("-1", "MARK_OUT_OF_RANGE"),
        ("9" * 5000, "MARK_OUT_OF_RANGE"),
        ("NaN", "MARK_FORMAT"),
        ("Infinity", "MARK_FORMAT"),
        ("1e1", "MARK_FORMAT"),
        ("8.", "MARK_FORMAT"),
        (".5", "MARK_FORMAT"),
        ("08", "MARK_FORMAT"),
        ("8,,5", "MARK_FORMAT"),
        ("+8", "MARK_FORMAT"),
        ("８", "MARK_FORMAT"),
        ("٨", "MARK_FORMAT"),
        ("8²", "MARK_FORMAT"),
        (" 8", "MARK_FORMAT"),
        ("8\u00a0", "MARK_FORMAT"),
        ("8\u200b", "MARK_FORMAT"),
        ("Đ", "MARK_FORMAT"),
        ("", "MARK_BLANK"),
        ("  \t", "MARK_BLANK"),
    ],
)
def test_score_refused(text, rule):
    with pytest.raises(BadMark) as refusal:
        parse_score(text)
    assert refusal.value.rule == rule
    assert len(str(refusal.value)) < 150


@given(st.text(alphabet=st.sampled_from("0123456789.,-+eE "), max_size=5) | st.text(max_size=4))
def test_score_grammar(text):
    grammatical = re.fullmatch(r"10([.,]0)?|[0-9]([.,][0-9])?", text, re.ASCII) is not None
    try:
        tenths = parse_score(text)
    except BadMark:
        assert not grammatical
    else:
        assert grammatical
        assert tenths == round(float(text.replace(",", ".")) * 10)


@given(st.integers(0, 100), st.sampled_from(".,"))
def test_format_is_read_back(tenths, separator):
    assert parse_score(format_mark(tenths, separator)) == tenths


@pytest.mark.parametrize("text", ["Đạt", "Chưa đạt"])
def test_comment_words_may_be_decomposed(text):
    expected = Comment.PASS if text == "Đạt" else Comment.NOT_PASS
    assert parse_comment(text) is parse_comment(unicodedata.normalize("NFD", text)) is expected


@pytest.mark.parametrize("text", ["Ð", "Ɖ", "D", "đ", "CD", "8", "T"])
def test_comment_refuses_look_alikes_and_scores(text):
    with pytest.raises(BadMark) as refusal:
        parse_mark(COMMENT, text)
    assert refusal.value.rule == "MARK_FORMAT"


def test_comment_blank():
    with pytest.raises(BadMark) as refusal:
        parse_comment(" ")
    assert refusal.value.rule == "MARK_BLANK"


def test_an_open_cell_is_never_a_zero():
    for status in (CellStatus.PENDING, CellStatus.ABSENT_EXCUSED_MAKEUP_DUE, CellStatus.RECORDED, CellStatus.EXEMPT):
        assert counting_mark(SCORED, Cell(status)) is None
    assert counting_mark(SCORED, Cell(CellStatus.ZERO_BY_RULE)) == 0
    assert counting_mark(COMMENT, Cell(CellStatus.ZERO_BY_RULE)) is Comment.NOT_PASS


def test_made_up_and_theory_marks_count():
    assert counting_mark(SCORED, Cell(CellStatus.MADE_UP, 65)) == 65
    assert counting_mark(COMMENT, Cell(CellStatus.EXEMPT, Comment.PASS)) is Comment.PASS
    assert counting_mark(SCORED, Cell(CellStatus.ABSENT_EXCUSED_MAKEUP_DUE, 65)) is None
