"""Reading and writing of single marks. Everywhere in the rules a score is in tenths, 0 to 100."""

import unicodedata
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from services.gradebook.rules.words import Comment, SubjectKind

Mark = int | Comment
"""A score in tenths (0..100), or a comment."""


class BadMark(ValueError):
    """A text that is not a mark.

    rule: a stable code. `str()` gives one Vietnamese sentence for the teacher.
    """

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class CellStatus(Enum):
    """Status of one required assessment of one pupil.

    Source: TT22/2021 Điều 7 (make-up), Điều 10 (exemption).
    """

    PENDING = "PENDING"
    RECORDED = "RECORDED"
    ABSENT_EXCUSED_MAKEUP_DUE = "ABSENT_EXCUSED_MAKEUP_DUE"
    MADE_UP = "MADE_UP"
    ZERO_BY_RULE = "ZERO_BY_RULE"
    EXEMPT = "EXEMPT"


class Cell(NamedTuple):
    """One cell of the book: its status, and its mark where the status has one."""

    status: CellStatus
    mark: Mark | None = None


def _score_table() -> dict[str, int]:
    """Every accepted spelling of a score: "8", "8.5", "8,5", "8.0", "10,0"."""
    table = {}
    for tenths in range(101):
        whole, tenth = divmod(tenths, 10)
        table[f"{whole}.{tenth}"] = table[f"{whole},{tenth}"] = tenths
        if tenth == 0:
            table[str(whole)] = tenths
    return table


SCORES = _score_table()
"""Accepted spelling → tenths. Bulk entry looks up here directly; `parse_score` explains a miss."""

COMMENTS = {"Đ": Comment.PASS, "CĐ": Comment.NOT_PASS, "Đạt": Comment.PASS, "Chưa đạt": Comment.NOT_PASS}
"""Accepted spelling (NFC) → comment."""

SPELLINGS: Mapping[SubjectKind, Mapping[str, Mark]] = {
    SubjectKind.COMMENT_AND_SCORE: SCORES,
    SubjectKind.COMMENT_ONLY: COMMENTS,
}
"""Kind of subject → accepted spelling → mark."""


def parse_score(text: str) -> int:
    """Read a score from 0 to 10, whole or with one decimal after a point or comma, as tenths.

    Raises BadMark: MARK_BLANK, MARK_PRECISION (more than one decimal), MARK_OUT_OF_RANGE,
        MARK_FORMAT.
    Source: TT22/2021 Điều 5 khoản 3 điểm b; TT58/2011 Điều 6.
    """
    tenths = SCORES.get(text)
    if tenths is None:
        raise _explain_score(text)
    return tenths


def parse_comment(text: str) -> Comment:
    """Read a comment-only result: "Đ" or "CĐ", or the same in words.

    The text may be composed or decomposed Unicode.
    Raises BadMark: MARK_BLANK, MARK_FORMAT.
    Source: TT22/2021 Điều 5 khoản 3 điểm a; TT58/2011 Điều 6.
    """
    comment = COMMENTS.get(text) or COMMENTS.get(unicodedata.normalize("NFC", text))
    if comment is None:
        if not text.strip():
            raise BadMark("MARK_BLANK", "Ô điểm trống.")
        raise BadMark("MARK_FORMAT", f"Môn đánh giá bằng nhận xét chỉ nhận “Đ” hoặc “CĐ”, không nhận {_quote(text)}.")
    return comment


def parse_mark(kind: SubjectKind, text: str) -> Mark:
    """Read a mark by its subject's kind. Raises BadMark as `parse_score` and `parse_comment` do."""
    return parse_comment(text) if kind is SubjectKind.COMMENT_ONLY else parse_score(text)


def counting_mark(kind: SubjectKind, cell: Cell) -> Mark | None:
    """The mark that a cell contributes, or None while the assessment is still open.

    A zero comes only from a recorded 0 or from ZERO_BY_RULE, which a person sets; an empty cell is
    never a zero. An exempt cell counts the theory mark that replaces the practical part.
    Source: TT22/2021 Điều 7 (make-up), Điều 10 (exemption); TT58/2011 as amended by TT26/2020 Điều
        1.
    """
    if cell.status is CellStatus.ZERO_BY_RULE:
        return Comment.NOT_PASS if kind is SubjectKind.COMMENT_ONLY else 0
    if cell.status in (CellStatus.RECORDED, CellStatus.MADE_UP, CellStatus.EXEMPT):
        return cell.mark
    return None


def format_mark(mark: Mark, separator: str = ".") -> str:
    """Write a mark: "8.3" for 83, "Đ" or "CĐ". Printed pages pass "," as separator."""
    if isinstance(mark, Comment):
        return mark.value
    return f"{mark // 10}{separator}{mark % 10}"


def _explain_score(text: str) -> BadMark:
    """Say as precisely as possible why a text is not a score."""
    if not text.strip():
        return BadMark("MARK_BLANK", "Ô điểm trống.")
    if not text.isascii() or text.strip() != text:
        return BadMark("MARK_FORMAT", f"Điểm có kí tự lạ hoặc khoảng trắng: {_quote(text)}.")
    whole, _, decimals = text.replace(",", ".").partition(".")
    digits = whole.removeprefix("-")
    if digits.isdigit() and (decimals.isdigit() or "." not in text.replace(",", ".")):
        if text.startswith("-") or int(digits[:4]) > 10 or (int(digits[:4]) == 10 and decimals.strip("0")):
            return BadMark("MARK_OUT_OF_RANGE", f"Điểm phải từ 0 đến 10, không nhận {_quote(text)}.")
        if len(decimals) > 1:
            return BadMark("MARK_PRECISION", f"Điểm chỉ có một chữ số thập phân, không nhận {_quote(text)}.")
    return BadMark("MARK_FORMAT", f"Không phải điểm số: {_quote(text)}. Ví dụ điểm đúng: 8; 8,5; 10.")


def _quote(text: str) -> str:
    """Quote a text, shortened, with its invisible characters written as code points."""
    shown = "".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in text[:20])
    return f"“{shown}{'…' if len(text) > 20 else ''}”"
