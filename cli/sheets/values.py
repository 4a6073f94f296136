"""The value of a workbook's cell as the gradebook's mark or remark, or what is wrong with it."""

import datetime as dt
import re

from cli.sheets.layout import NOTES, tidy
from services.gradebook.rules import BadMark, Comment, SubjectKind, parse_mark

WITHDRAW = "-"
"""A cell with this text withdraws a mark or a remark."""

_DASHES = {WITHDRAW, "–", "—"}
_NOISE = 1e-6
"""Tolerance of computed numbers, in points: Excel stores 8.3 as 8.299999999."""
_MAX_EXACT = 10**15
_NOISY_TEXT = re.compile(r"[0-9]{1,2}[.,][0-9]{6,}")
_CASELESS = {"đ": "Đ", "cđ": "CĐ", "đạt": "Đạt", "chưa đạt": "Chưa đạt"}


class BadCell(Exception):
    """A cell that holds no mark or remark. `rule`: stable code; `str()`: a Vietnamese sentence in
    lower case.
    """

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def mark_text(value: object, kind: SubjectKind) -> str:
    """The canonical text of a mark: "" for an empty cell, "-", "8", "7.5", "Đ", "CĐ". Raises
    BadCell.
    """
    if value is None:
        return ""
    if isinstance(value, dt.datetime | dt.date | dt.time):
        raise _date(value)
    if isinstance(value, bool):
        raise BadCell("MARK_FORMAT", "ô chứa giá trị đúng/sai, không phải điểm.")
    if isinstance(value, int | float):
        return _number(float(value), kind)
    return _text(str(value), kind)


def remark_text(value: object, current: str) -> str | None:
    """The new remark in a cell: "" removes the current one; None when the cell changes nothing.

    Spaces and line breaks become single spaces. Raises BadCell for a value that is no text.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadCell("REMARK_FORMAT", "nhận xét phải là chữ, không phải số, ngày giờ hoặc giá trị đúng/sai.")
    text = tidy(value)
    if text in {"", current, *NOTES}:
        return None
    if text in _DASHES:
        return "" if current else None
    return text


def canonical(text: str, kind: SubjectKind) -> str:
    """A mark as the gradebook writes it, so that equal marks have equal texts. Raises BadMark."""
    mark = parse_mark(kind, text)
    if isinstance(mark, Comment):
        return mark.value
    return f"{mark // 10}.{mark % 10}".removesuffix(".0")


def identifier(value: object) -> str:
    """A student's id, which Excel may have made a number. Raises BadCell when digits were lost."""
    if value is None:
        return ""
    if isinstance(value, float):
        if not value.is_integer() or abs(value) >= _MAX_EXACT:
            raise BadCell("ID_LOST", "mã học sinh bị Excel đổi thành số; hãy định dạng cột là Văn bản và nhập lại.")
        return str(int(value))
    if isinstance(value, int) and abs(value) >= _MAX_EXACT:
        raise BadCell("ID_LOST", "mã học sinh dài hơn 15 chữ số bị Excel làm tròn; hãy định dạng cột là Văn bản.")
    return tidy(str(value)).lstrip("'")


def birth_date(value: object) -> str:
    """A date as ISO 8601, from a date cell or from a text such as 9/3/2014; "" when it cannot be
    read.
    """
    if isinstance(value, dt.datetime):
        return value.date().isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    text = tidy(str(value)) if value is not None else ""
    for pattern in ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y-%m-%d"):
        try:
            return dt.datetime.strptime(text, pattern).date().isoformat()  # noqa: DTZ007 - a day without a time
        except ValueError:
            continue
    return ""


def comma(number: float) -> str:
    """A number with a decimal comma, as written in Vietnamese."""
    return f"{number:.10g}".replace(".", ",")


def _number(value: float, kind: SubjectKind) -> str:
    if kind is SubjectKind.COMMENT_ONLY:
        raise BadCell("MARK_FORMAT", f"môn đánh giá bằng nhận xét chỉ nhận Đ hoặc CĐ, không nhận {comma(value)}.")
    if not 0 <= value <= 10:
        hint = f" (có phải {comma(value / 10)}?)" if 10 < value < 100 else ""
        raise BadCell("MARK_OUT_OF_RANGE", f"điểm {comma(value)} ngoài thang điểm từ 0 đến 10{hint}.")
    tenths = round(value * 10)
    if abs(value - tenths / 10) > _NOISE:
        message = f"điểm {comma(value)} phải làm tròn đến một chữ số thập phân."
        raise BadCell("MARK_PRECISION", message)
    return f"{tenths // 10}.{tenths % 10}".removesuffix(".0")


def _text(value: str, kind: SubjectKind) -> str:
    text = tidy(value).lstrip("'")
    if not text or text in _DASHES:
        return WITHDRAW if text else ""
    if kind is SubjectKind.COMMENT_ONLY:
        text = _CASELESS.get(text.casefold(), text)
    elif _NOISY_TEXT.fullmatch(text):
        return _number(float(text.replace(",", ".")), kind)
    try:
        return canonical(text, kind)
    except BadMark as e:
        if e.rule == "MARK_PRECISION":
            raise BadCell(e.rule, f"điểm {text} phải làm tròn đến một chữ số thập phân.") from e
        message = str(e)
        raise BadCell(e.rule, message[:1].lower() + message[1:]) from e


def _date(value: dt.datetime | dt.date | dt.time) -> BadCell:
    if isinstance(value, dt.time):
        return BadCell("MARK_IS_DATE", "điểm đã bị Excel đổi thành giờ; hãy định dạng ô là Số rồi nhập lại điểm.")
    shown = f"{value.day:02d}/{value.month:02d}/{value.year}"
    guess = f" (có phải {value.day},{value.month}?)" if value.month < 10 and value.day <= 10 else ""
    return BadCell(
        "MARK_IS_DATE", f"điểm đã bị Excel đổi thành ngày {shown}{guess}; hãy định dạng ô là Số rồi nhập lại điểm."
    )
