"""Reading rendered pages: their words with their positions."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

MARK = "BẢN IN CHƯA CÓ CHỮ KÝ SỐ – DÙNG ĐỂ RÀ SOÁT"
TRICKY = [
    "Nguyễn #strong[x] $x^2$ \\ *đậm* _nghiêng_ [Ngoặc]",
    "<nhãn> @trích `mã` // ~ #sys.inputs = - + /",
    "Công Tằng Tôn Nữ Nguyễn Phúc Thị Hoàng Thiên Ẩn Ngọc Quỳnh Trâm Uyển Nhi Đài Trang Hồng",
    "NGUYỄN THỊ ẤU ỄNH ỢỰ",
]


@dataclass(frozen=True)
class Word:
    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


@dataclass(frozen=True)
class Page:
    width: float
    height: float
    words: tuple[Word, ...]

    def lines(self) -> list[str]:
        """Texts at the same height, from left to right."""
        rows: list[list[Word]] = []
        for word in sorted(self.words, key=lambda w: w.middle):
            if not rows or word.middle - rows[-1][0].middle > 2:
                rows.append([])
            rows[-1].append(word)
        return [" ".join(w.text for w in sorted(row, key=lambda w: w.left)) for row in rows]


def pages_of(pdf: bytes, folder: Path) -> list[Page]:
    (folder / "book.pdf").write_bytes(pdf)
    done = subprocess.run(["pdftotext", "-bbox", "book.pdf", "-"], cwd=folder, capture_output=True, check=True)
    root = ElementTree.fromstring(done.stdout)
    space = "{http://www.w3.org/1999/xhtml}"
    pages = []
    for page in root.iter(f"{space}page"):
        words = tuple(
            Word(w.text or "", *(float(w.attrib[key]) for key in ("xMin", "yMin", "xMax", "yMax")))
            for w in page.iter(f"{space}word")
        )
        pages.append(Page(float(page.attrib["width"]), float(page.attrib["height"]), words))
    return pages


def check_layout(pages: Sequence[Page]) -> None:
    """No text leaves its page or covers another."""
    for number, page in enumerate(pages, 1):
        words = sorted(page.words, key=lambda w: w.top)
        for word in words:
            assert min(word.left, word.top, page.width - word.right, page.height - word.bottom) > 5, (number, word)
        for i, word in enumerate(words):
            for other in words[i + 1 :]:
                # A font's box is a fifth higher than its letters; boxes may touch by that much.
                if other.top >= word.bottom - 0.25 * (word.bottom - word.top):
                    break
                apart = word.right <= other.left + 0.5 or other.right <= word.left + 0.5
                assert apart, (number, word, other)
