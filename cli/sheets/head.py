"""The head of a worksheet: school, class, subject, year and semester."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cli.sheets.layout import plain, tidy

_LABELS = {
    "mã trường": "school",
    "tên trường": "",
    "trường": "",
    "mã môn học": "subject",
    "mã môn": "subject",
    "tên môn học": "subject_name",
    "môn học": "subject_name",
    "môn": "subject_name",
    "tên lớp": "class_name",
    "lớp": "class_name",
    "năm học": "school_year",
    "học kì": "semester",
    "học kỳ": "semester",
    "giáo viên": "",
}
_WORDS = "|".join(sorted(_LABELS, key=len, reverse=True))
_LABELLED = re.compile(rf"(?<!\w)({_WORDS})\s*[:：]", re.IGNORECASE)
_BARE = re.compile(rf"({_WORDS})", re.IGNORECASE)
_YEAR = re.compile(r"(20[0-9]{2})\s*[-–—/]\s*(20[0-9]{2})")
_SEMESTER = re.compile(r"(?:học\s+k[ìỳ]|hk)\s*:?\s*(ii|i|2|1)(?!\w)", re.IGNORECASE)
_CLASS = re.compile(r"(?<!\w)lớp\s+([0-9]{1,2}\s?\S+)", re.IGNORECASE)
_TITLE = re.compile(r"(.+?)\s*[-–_]\s*(.+?)(?:\s*[-–_]\s*hk\s*(ii|i|2|1))?", re.IGNORECASE)
_NUMBERS = {"i": 1, "1": 1, "ii": 2, "2": 2}


@dataclass(slots=True)
class Head:
    """The head of a worksheet; missing parts are empty or 0. subject: code; subject_name: as
    printed.
    """

    school: str = ""
    school_year: str = ""
    class_name: str = ""
    subject: str = ""
    subject_name: str = ""
    semester: int = 0


def read(rows: Iterable[Sequence[str]], title: str) -> Head:
    """The head from the texts above the table; what they lack, from the worksheet's title."""
    head = Head()
    for row in rows:
        texts = [tidy(text) for text in row if text.strip()]
        for index, text in enumerate(texts):
            following = texts[index + 1] if index + 1 < len(texts) else ""
            _take(head, text, "" if _label(following) else following)
    _take_title(head, title)
    return head


def _take(head: Head, text: str, following: str) -> None:
    """Read a cell: «Lớp: 6A1», «Lớp:» before its value, or «HỌC KÌ I, NĂM HỌC 2025-2026»."""
    bare = _BARE.fullmatch(text)
    if bare:
        _set(head, _LABELS[bare[1].casefold()], following)
        return
    labels = list(_LABELLED.finditer(text))
    ends = [*(label.start() for label in labels[1:]), len(text)]
    for label, end in zip(labels, ends, strict=False):
        value = text[label.end() : end].strip(" ,;|-–—")
        _set(head, _LABELS[label[1].casefold()], value or following)
    year, semester, class_name = _YEAR.search(text), _SEMESTER.search(text), _CLASS.search(text)
    if year:
        _set(head, "school_year", year[0])
    if semester:
        _set(head, "semester", semester[1])
    if class_name and not labels:
        _set(head, "class_name", class_name[1].strip(" ,;|-–—"))


def _set(head: Head, field: str, value: str) -> None:
    """Set a field, unless it has a value already."""
    if not field or not value or getattr(head, field):
        return
    if field == "semester":
        word = plain(value).removeprefix("hocki").removeprefix("hocky").removeprefix("hk")
        head.semester = _NUMBERS.get(word, 0)
    elif field == "school_year":
        year = _YEAR.search(value)
        head.school_year = f"{year[1]}-{year[2]}" if year else ""
    else:
        setattr(head, field, value)


def _take_title(head: Head, title: str) -> None:
    parts = _TITLE.fullmatch(tidy(title))
    if parts is None:
        return
    if not head.subject:
        _set(head, "subject_name", parts[2])
    _set(head, "class_name", parts[1].removeprefix("Lớp ").removeprefix("lớp "))
    _set(head, "semester", parts[3] or "")


def _label(text: str) -> bool:
    return bool(_BARE.fullmatch(text) or _LABELLED.match(text))
