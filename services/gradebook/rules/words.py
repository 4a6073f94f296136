"""Levels and outcomes, with the Vietnamese words that the regulations use for them.

Levels are ordered: a greater value is better, so "Đạt or better" is a comparison. Each regime has
its own words (`member.vietnamese`), and a level of one regime is never shown with a word of the
other.
"""

from enum import Enum, IntEnum
from typing import Self


class SubjectKind(Enum):
    """How a subject is assessed. Source: TT22/2021 Điều 5 khoản 3; TT58/2011 Điều 6."""

    COMMENT_ONLY = "COMMENT_ONLY"
    COMMENT_AND_SCORE = "COMMENT_AND_SCORE"


class SubjectRole(Enum):
    """Subjects that TT58/2011 Điều 13 names ("1 trong các môn Toán, Ngữ văn, Ngoại ngữ").

    TT22 names none.
    """

    MATHEMATICS = "MATHEMATICS"
    LITERATURE = "LITERATURE"
    FOREIGN_LANGUAGE = "FOREIGN_LANGUAGE"


class Comment(Enum):
    """Results of a comment-only assessment; the value is what the books print."""

    PASS = "Đ"  # noqa: S105  (a mark, not a password)
    NOT_PASS = "CĐ"  # noqa: S105


class _Ranked(IntEnum):
    """An ordered level with the word that the books print."""

    vietnamese: str

    def __new__(cls, rank: int, vietnamese: str) -> Self:
        member = int.__new__(cls, rank)
        member._value_ = rank
        member.vietnamese = vietnamese
        return member


class Level(_Ranked):
    """Levels of TT22/2021, for learning (Điều 9 khoản 2) and for conduct (Điều 8 khoản 2)."""

    LEVEL_UNSATISFACTORY = 1, "Chưa đạt"
    LEVEL_SATISFACTORY = 2, "Đạt"
    LEVEL_GOOD = 3, "Khá"
    LEVEL_EXCELLENT = 4, "Tốt"


class Academic(_Ranked):
    """Ranks of academic results (học lực). Source: TT58/2011 Điều 13."""

    ACADEMIC_POOR = 1, "Kém"
    ACADEMIC_WEAK = 2, "Yếu"
    ACADEMIC_AVERAGE = 3, "Trung bình"
    ACADEMIC_GOOD = 4, "Khá"
    ACADEMIC_EXCELLENT = 5, "Giỏi"


class Conduct(_Ranked):
    """Ranks of conduct (hạnh kiểm). Source: TT58/2011 Điều 3, Điều 4."""

    CONDUCT_WEAK = 1, "Yếu"
    CONDUCT_AVERAGE = 2, "Trung bình"
    CONDUCT_GOOD = 3, "Khá"
    CONDUCT_EXCELLENT = 4, "Tốt"


class _Named(Enum):
    """An outcome whose value is its stable code, with the word that the books print."""

    vietnamese: str

    def __new__(cls, code: str, vietnamese: str) -> Self:
        member = object.__new__(cls)
        member._value_ = code
        member.vietnamese = vietnamese
        return member


class Promotion(_Named):
    """Outcome of the school year. Source: TT22/2021 Điều 12–14; TT58/2011 Điều 15–17."""

    PROMOTED = "PROMOTED", "Được lên lớp"
    PROGRAMME_COMPLETED = "PROGRAMME_COMPLETED", "Hoàn thành chương trình"
    RETEST = "RETEST", "Kiểm tra, đánh giá lại trong kì nghỉ hè"
    SUMMER_TRAINING = "SUMMER_TRAINING", "Rèn luyện trong kì nghỉ hè"
    RETAINED = "RETAINED", "Không được lên lớp"


class Award(_Named):
    """Titles of a year, and under TT58 of a semester.

    Source: TT22/2021 Điều 15; TT58/2011 Điều 18.
    """

    OUTSTANDING_STUDENT = "OUTSTANDING_STUDENT", "Học sinh Xuất sắc"
    GOOD_STUDENT = "GOOD_STUDENT", "Học sinh Giỏi"
    TITLE_EXCELLENT = "TITLE_EXCELLENT", "Học sinh giỏi"
    TITLE_ADVANCED = "TITLE_ADVANCED", "Học sinh tiên tiến"


ConductLevel = Level | Conduct
"""A conduct result of either regime."""
