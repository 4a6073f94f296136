"""Checks of single values from outside: texts, dates, numbers, and names that follow a pattern.

`Findings` collects the violations, so that one answer lists them all. Each message is one
Vietnamese sentence.
"""

import contextlib
import re
import uuid
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

from services.common.canonical import canonical_bytes
from services.common.errors import Invalid, Violation
from services.gradebook.model.names import legacy_reading

REPORTED_VIOLATIONS = 25
"""Most violations in one answer: gRPC sends them in trailers, which clients limit to 8 KiB."""

_SUBJECT_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,15}")
_WINDOW_NAME = re.compile(r"[A-Z][A-Z0-9_-]{0,19}")
_SCHOOL_YEAR = re.compile(r"20[0-9]{2}-20[0-9]{2}")
_VENDOR = re.compile(r"[a-z][a-z0-9-]{0,31}")
_FIRST_BIRTH = date(1950, 1, 1)
_LAST_SECOND = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp())
_CLAUSE_END = re.compile(r"[,;:!?()\"/]+")
"""Ends of clauses that are not letters in any old encoding; `legacy_reading` handles full stops."""
_WORDS = re.compile(r"[^\s!-@\[-`{-~]+")
"""Runs without spaces, ASCII digits and punctuation; other signs may be old letters."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def refuse(violations: Collection[Violation]) -> None:
    """Raises Invalid with the first 25 of the violations; returns if there are none."""
    if not violations:
        return
    shown = list(violations)[:REPORTED_VIOLATIONS]
    message = "Dữ liệu gửi lên không hợp lệ."
    if len(violations) > len(shown):
        message = f"Dữ liệu gửi lên có {len(violations)} lỗi; dưới đây là {len(shown)} lỗi đầu tiên."
    raise Invalid(shown, message)


class Findings:
    """Collects violations; each method checks one value and adds what is wrong with it."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def add(self, field: str, rule: str, message: str) -> None:
        """Add a violation."""
        self.violations.append(Violation(field, rule, message))

    def refuse(self) -> None:
        """Raises Invalid if there are violations."""
        refuse(self.violations)

    def text(self, field: str, value: str, *, longest: int, shortest: int = 1) -> None:
        """A text for people, in NFC with single spaces and no invisible or legacy-font characters.

        Lengths are in characters.
        """
        if not shortest <= len(value) <= longest:
            limits = f"phải từ {shortest} đến" if shortest else "không được quá"
            self.add(field, "LENGTH", f"Độ dài {limits} {longest} ký tự.")
            return
        try:
            canonical_bytes({field: value})
        except Invalid as e:
            self.violations.extend(e.violations)
            return
        if value != " ".join(value.split()):
            self.add(field, "SPACES", "Không được có khoảng trắng ở đầu, ở cuối hoặc hai khoảng trắng liền nhau.")

    def name(self, field: str, value: str, *, longest: int) -> None:
        """A person's or school's name: a text in Unicode, not in the encoding of an old font."""
        meant = legacy_reading(value[:longest])
        if meant is None:
            self.text(field, value, longest=longest)
        else:
            self._legacy(field, "Tên", meant)

    def prose(self, field: str, value: str, *, longest: int) -> None:
        """Sentences, or nothing: a text in Unicode, not in an old font's encoding.

        Unlike a name it may contain any sign and words of any language, so only clauses that can be
        read as Vietnamese in an old encoding are refused.
        """
        clauses = _CLAUSE_END.split(value[:longest])
        meant = next((reading for clause in clauses if (reading := legacy_reading(clause))), None)
        if meant is None:
            self.text(field, value, shortest=0, longest=longest)
        else:
            self._legacy(field, "Câu chữ", meant)

    def statement(self, field: str, value: str, *, longest: int) -> None:
        """A text that names something, such as a certificate; numbers and foreign words are
        allowed.

        The words that are not plain ASCII are tested together for an old encoding, then the whole.
        """
        words = [word for word in _WORDS.findall(value[:longest]) if not word.isascii()]
        meant = legacy_reading(" ".join(words))
        if meant is None:
            meant = legacy_reading(value[:longest])
        if meant is None:
            self.text(field, value, longest=longest)
        else:
            self._legacy(field, "Nội dung", meant)

    def _legacy(self, field: str, what: str, meant: str) -> None:
        hint = f" (có phải là «{meant}»?)" if meant else ""
        message = f"{what} không phải chữ Việt Unicode mà theo bảng mã cũ (TCVN3, VNI) hoặc bị hỏng chữ{hint}."
        self.add(field, "LEGACY_ENCODING", f"{message} Hãy chuyển sang Unicode rồi gửi lại.")

    def code(self, field: str, value: str, *, longest: int = 32) -> None:
        """An opaque identifier: 1 to `longest` printable ASCII characters, no spaces."""
        if not (1 <= len(value) <= longest and value.isascii() and value.isprintable() and " " not in value):
            self.add(field, "CODE", f"Mã phải có từ 1 đến {longest} ký tự ASCII, không có khoảng trắng.")

    def subject_code(self, field: str, value: str) -> None:
        """A subject code, which becomes part of a signature field's name."""
        if not _SUBJECT_CODE.fullmatch(value):
            self.add(field, "SUBJECT_CODE", "Mã môn học gồm chữ in hoa A–Z, chữ số và gạch dưới, tối đa 16 ký tự.")

    def window_name(self, field: str, value: str) -> None:
        """A window's name."""
        if not _WINDOW_NAME.fullmatch(value):
            message = "Tên đợt nhập gồm chữ in hoa A–Z, chữ số, gạch nối và gạch dưới, tối đa 20 ký tự."
            self.add(field, "WINDOW_NAME", message)

    def school_year(self, field: str, value: str) -> None:
        """A school year of two consecutive years."""
        if not _SCHOOL_YEAR.fullmatch(value) or int(value[:4]) + 1 != int(value[5:]):
            self.add(field, "SCHOOL_YEAR", "Năm học phải có dạng 2025-2026.")

    def vendor(self, field: str, value: str) -> None:
        """A vendor's name as in the vendor's certificate."""
        if not _VENDOR.fullmatch(value):
            message = "Tên nhà cung cấp gồm chữ thường a–z, chữ số và gạch nối, tối đa 32 ký tự."
            self.add(field, "VENDOR", message)

    def number(self, field: str, value: int, lowest: int, highest: int) -> None:
        """A whole number within limits."""
        if not lowest <= value <= highest:
            self.add(field, "OUT_OF_RANGE", f"Giá trị phải từ {lowest} đến {highest}.")

    def one_of(self, field: str, value: int, allowed: Collection[int]) -> None:
        """A value of an enum; unspecified is never allowed."""
        if value not in allowed:
            self.add(field, "ENUM", "Giá trị không có trong danh mục.")

    def birth_date(self, field: str, value: str) -> None:
        """An existing date on which a pupil can have been born."""
        day = date.min
        if _DATE.fullmatch(value):
            with contextlib.suppress(ValueError):
                day = date.fromisoformat(value)
        if not _FIRST_BIRTH <= day <= datetime.now(UTC).date():
            self.add(field, "DATE", "Ngày sinh phải là ngày có thật, dạng 2014-03-09.")

    def day(self, field: str, value: str, first: date, last: date) -> None:
        """An existing date from `first` to `last`."""
        day = date.min
        if _DATE.fullmatch(value):
            with contextlib.suppress(ValueError):
                day = date.fromisoformat(value)
        if not first <= day <= last:
            self.add(field, "DATE", f"Ngày phải có thật, dạng 2026-09-20, từ {first} đến {last}.")

    def unique(self, field: str, values: Collection[object], message: str) -> None:
        """No two equal values."""
        if len(set(values)) != len(values):
            self.add(field, "DUPLICATE", message)

    def count(self, field: str, number: int, lowest: int, highest: int) -> bool:
        """The length of a list; returns False if it is out of limits."""
        if lowest <= number <= highest:
            return True
        self.add(field, "COUNT", f"Danh sách phải có từ {lowest} đến {highest} mục.")
        return False


def moment(field: str, seconds: int, nanos: int) -> datetime:
    """The point in time of a protobuf timestamp, 1970 to 2200. Raises Invalid with rule TIME."""
    if not (0 <= seconds < _LAST_SECOND and 0 <= nanos < 10**9):
        raise Invalid([Violation(field, "TIME", "Thời điểm phải trong khoảng từ năm 1970 đến năm 2200.")])
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=nanos // 1000)


def identifier(field: str, value: str) -> uuid.UUID:
    """A UUID in its canonical spelling. Raises Invalid with rule UUID."""
    try:
        parsed = uuid.UUID(value)
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != value.lower():
        raise Invalid([Violation(field, "UUID", "Phải là một UUID, dạng 123e4567-e89b-12d3-a456-426614174000.")])
    return parsed
