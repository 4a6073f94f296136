"""What opening a workbook would cost, by a first look at its XML that builds nothing.

openpyxl makes an object of every element, of every cell of a merged or linked range, and a text of
every cell that shares a formula: a file of a few kilobytes can ask for gigabytes. `check` streams
through every part and adds up what is asked for, so that such a file is refused before openpyxl
opens it. The limits keep `hoso import` under 500 MB and 60 seconds, also when it reads a file
twice (for the values of formulas); a school's marks of a year have some 250,000 cells.
"""

import re
import zipfile
from xml.sax import SAXException
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl

from defusedxml import DefusedXmlException, sax

MAX_CELLS = 300_000
"""Cells, those of merged and linked ranges included."""
MAX_OTHER_ELEMENTS = 40_000
"""Rows, ranges, styles, names, comments and all else but cells, about 2 KB each."""
MAX_SHARED_CHARACTERS = 20_000_000
"""Cells that share a formula, times the length of the longest formula."""
_XML = (b"<", b"\x4c")
"""How XML begins, in ASCII or UTF-16, or in EBCDIC, which lxml reads and expat does not."""
_BEFORE_XML = b"\xef\xbb\xbf\xfe\xff\0 \t\r\n"
_OF_CELLS = frozenset({"c", "v", "f", "is", "t", "si"})
# Elements whose range openpyxl keeps as a text. Any other is taken to touch each cell of its range.
_CHEAP_RANGES = frozenset({"f", "dimension", "autoFilter", "table", "sortState", "selection", "filterColumn"})
_RANGE = re.compile(r"\$?([A-Za-z]{1,3})\$?(\d{1,7})(?::\$?([A-Za-z]{1,3})\$?(\d{1,7}))?")


class TooHeavy(Exception):
    """Opening the workbook would cost too much; `str()` is a Vietnamese sentence."""


class Unreadable(Exception):
    """A part is XML that is malformed, has a document type, or an encoding that we do not read."""


def check(archive: zipfile.ZipFile) -> None:
    """Raises TooHeavy when one of the limits is exceeded, Unreadable.

    Every part is read, since a workbook may name any of them as a worksheet; only what does not
    even begin like XML, such as a picture, is passed over.
    """
    weight = _Weight()
    for part in archive.infolist():
        try:
            with archive.open(part) as file:
                sax.parse(file, weight, forbid_dtd=True)
        except (SAXException, DefusedXmlException, UnicodeError, ValueError, LookupError) as e:
            with archive.open(part) as file:
                if file.read(64).lstrip(_BEFORE_XML).startswith(_XML):
                    raise Unreadable(part.filename) from e


class _Weight(ContentHandler):
    """The sum over all parts of a workbook."""

    def __init__(self) -> None:
        super().__init__()
        self._cells = self._others = self._sharing = self._longest = self._formula = 0
        self._in_formula = False

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        name = name.rpartition(":")[2]
        if name not in _OF_CELLS:
            self._others += 1
            if name not in _CHEAP_RANGES and "ref" in attrs:
                self._cells += _area(attrs["ref"])
        elif name == "c":
            self._cells += 1
        elif name == "f":
            self._in_formula, self._formula = True, 0
            self._sharing += attrs.get("t") == "shared"
        if self._cells > MAX_CELLS:
            raise TooHeavy(f"Tệp có hơn {MAX_CELLS} ô (kể cả ô gộp); hãy tách thành nhiều tệp.")
        if self._others > MAX_OTHER_ELEMENTS:
            raise TooHeavy(
                f"Tệp có hơn {MAX_OTHER_ELEMENTS} dòng, vùng gộp, định dạng và chú thích;"
                " hãy xóa phần thừa hoặc tách thành nhiều tệp."
            )

    def characters(self, content: str) -> None:
        if self._in_formula:
            self._formula += len(content)
            self._longest = max(self._longest, self._formula)

    def endElement(self, name: str) -> None:
        if name.rpartition(":")[2] == "f":
            self._in_formula = False
            if self._sharing * self._longest > MAX_SHARED_CHARACTERS:
                raise TooHeavy("Tệp có công thức quá dài dùng chung cho nhiều ô; hãy dán lại dạng giá trị.")


def _area(ref: str) -> int:
    """The number of cells of a range such as "A1:B2"; too many for a text that is no range."""
    match = _RANGE.fullmatch(ref)
    if match is None:
        return MAX_CELLS + 1
    left, top, right, bottom = match.groups()
    width = abs(_column(right or left) - _column(left)) + 1
    return width * (abs(int(bottom or top) - int(top)) + 1)


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
