"""``python -m deploy.pictures`` (``make pictures``): the pictures of the documentation, made anew
in docs/pictures/.

The departments of gradebook are drawn from its imports; all others need the local stack and a
finished ``make demo``.
"""

import json
import subprocess
import sys
from pathlib import Path

from cli import profile
from cli.connection import operator
from cli.output import console
from demo import report
from services.common.config import ConfigError

from . import departments

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
COLUMNS = 116
CLASS_BOOK, TRANSCRIPT, REGISTER = "CLASS_BOOK", "TRANSCRIPT", "STUDENT_REGISTER"
PAGES = {
    "marks": (CLASS_BOOK, "MÔN HỌC: TOÁN"),
    "attendance": (CLASS_BOOK, "ĐIỂM DANH THÁNG 10/2025"),
    "evaluation": (CLASS_BOOK, "TỔNG HỢP CHUNG"),
    "transcript": (TRANSCRIPT, "PHÊ DUYỆT CỦA HIỆU TRƯỞNG"),
    "register": (REGISTER, "QUÁ TRÌNH HỌC TẠI TRƯỜNG"),
}
"""Picture → record type, of the year, and text of the page that it shows; the last page with that
text.
"""

_SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}
{styles}</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>{chrome}<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g></svg>"""
"""Rich's frame without its web font: a picture fetches nothing."""


def main() -> int:
    """Make every picture. Returns 1 and says so when there is no finished demo: then only the
    departments are drawn.
    """
    departments.PICTURE.write_text(departments.draw(), encoding="utf-8")
    try:
        demo = profile.load().demo
    except ConfigError:
        demo = None
    if demo is None or not (demo.folder / "report.json").exists():
        print("Only the departments were drawn: there is no finished demo. Run: make demo", file=sys.stderr)
        return 1
    rows = json.loads((demo.folder / "report.json").read_text(encoding="utf-8"))
    of_year = {row["type"]: Path(row["pdf_path"]) for row in reversed(rows) if row["stage"] == "WHOLE_YEAR"}
    for name, (kind, text) in PAGES.items():
        _page(of_year[kind], text, FOLDER / name)
    console.record, console.width = True, COLUMNS
    report.conclude(demo.folder, operator(), rows)
    console.save_svg(str(FOLDER / "demo.svg"), title="make demo", code_format=_SVG)
    return 0


def _page(pdf: Path, text: str, target: Path) -> None:
    """One page of the PDF as PNG, 96 dots per inch."""
    pages = subprocess.run(["pdftotext", str(pdf), "-"], check=True, capture_output=True, text=True).stdout.split("\f")
    number = str(max(i for i, page in enumerate(pages, start=1) if text in page))
    subprocess.run(
        ["pdftoppm", "-png", "-r", "96", "-f", number, "-l", number, "-singlefile", str(pdf), str(target)], check=True
    )


if __name__ == "__main__":
    sys.exit(main())
