"""The columns of a score sheet, as in the teacher's book (TT 22/2021, Phụ lục), and their heads."""

import re
import unicodedata
from typing import NamedTuple

from hoso.gradebook.v1 import common_pb2

REGULAR, MIDTERM = int(common_pb2.MARK_KIND_REGULAR), int(common_pb2.MARK_KIND_MIDTERM)
FINAL, REASSESSMENT = int(common_pb2.MARK_KIND_FINAL), int(common_pb2.MARK_KIND_REASSESSMENT)
INSTRUCTIONS = "Hướng dẫn"
EXEMPT = "Miễn phần thực hành"
"""An export's note for a student exempted by TT 22/2021 Điều 10."""
LEFT = "Đã rời lớp"
"""An export's note for a student who left during the year; their marks are locked."""
NOTES = {EXEMPT, LEFT}
"""Notes that workbooks without the column «Ghi chú» have in «Nhận xét»; they are no remarks."""
SEMESTERS = {1: "I", 2: "II"}
MAX_REGULAR = 9


class Column(NamedTuple):
    """A column of marks. kind: number of the proto's MarkKind; position: from 1 for regular marks,
    else 0.
    """

    kind: int
    position: int = 0

    @property
    def title(self) -> str:
        """The head of the column."""
        return f"{_TITLES[self.kind]}{self.position or ''}"


_TITLES = {REGULAR: "ĐĐGtx", MIDTERM: "ĐĐGgk", FINAL: "ĐĐGck", REASSESSMENT: "Đánh giá lại"}

NUMBER, CODE, NAME, FAMILY, GIVEN, BIRTH = "NUMBER", "CODE", "NAME", "FAMILY", "GIVEN", "BIRTH"
AVERAGE, YEAR, REMARK, NOTE, REGULAR_GROUP = "AVERAGE", "YEAR", "REMARK", "NOTE", "REGULAR_GROUP"

_HEADS = {
    NUMBER: {"tt", "stt", "sott", "sothutu"},
    CODE: {"mahocsinh", "mahs", "masohocsinh", "madinhdanh", "madinhdanhhocsinh", "mamoet", "masohs"},
    NAME: {"hovaten", "hoten", "hovatenhocsinh", "hotenhocsinh", "tenhocsinh"},
    FAMILY: {"ho", "hodem", "hovadem", "hovatendem", "hotendem"},
    GIVEN: {"ten"},
    BIRTH: {"ngaysinh", "ngaythangnamsinh"},
    AVERAGE: {"dtbmhk", "dtbmhki", "dtbmhkii", "dtbmhk1", "dtbmhk2", "dtbhk", "dtbm", "tbm", "tbmhk", "hocki", "hocky"},
    YEAR: {"dtbmcn", "canam", "tbcn", "tbmcn"},
    NOTE: {"ghichu"},
    REGULAR_GROUP: {"ddgtx", "dgtx", "tx", "thuongxuyen", "danhgiathuongxuyen", "diemthuongxuyen", "ktthuongxuyen"},
}
_KEYS = {word: key for key, words in _HEADS.items() for word in words}
_SINGLE = {
    MIDTERM: {"ddggk", "dggk", "gk", "giuaki", "giuaky", "danhgiagiuaki", "danhgiagiuaky", "diemgiuaki", "diemgiuaky"},
    FINAL: {"ddgck", "dgck", "ck", "cuoiki", "cuoiky", "danhgiacuoiki", "danhgiacuoiky", "diemcuoiki", "diemcuoiky"},
    REASSESSMENT: {"danhgialai", "diemdanhgialai"},
}
_MARKS = {word: Column(kind) for kind, words in _SINGLE.items() for word in words}
_NUMBERED = re.compile(rf"(?:{'|'.join(sorted(_HEADS[REGULAR_GROUP], key=len, reverse=True))})(?:lan)?([1-9])")

_REMARK = re.compile(r"nhanxet(?:sutienbo.*|(?:cua)?(?:gv|giaovien)(?:bm|bomon)?)?")
"""Remarks of the subject teacher, unlike «Nhận xét của GVCN»."""


def tidy(text: str) -> str:
    """A text in NFC with single plain spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def plain(text: str) -> str:
    """A text for comparison: lower-case letters and digits without accents; «ĐĐGtx 1» is
    ``ddgtx1``.
    """
    bare = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "".join(c for c in bare if c.isascii() and c.isalnum())


def recognise(head: str) -> str | Column | None:
    """The meaning of a column's head: a word from above, a column of marks, or None if unknown."""
    word = plain(head)
    numbered = _NUMBERED.fullmatch(word)
    if numbered:
        return Column(REGULAR, int(numbered[1]))
    if _REMARK.fullmatch(word):
        return REMARK
    return _MARKS.get(word) or _KEYS.get(word)


def title(class_name: str, subject_name: str, semester: int) -> str:
    """The title of a worksheet: at most 31 characters, without those that Excel forbids."""
    kept = re.sub(r"[\[\]:*?/\\']", " ", f"{class_name} - {subject_name}")
    return f"{tidy(kept)[:25].rstrip()} - HK{semester}"
