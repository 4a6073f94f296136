"""The bundled fonts and what they can print.

They are Liberation Serif 2.1.5 (SIL Open Font License, see LICENSE-OFL.txt).

System fonts are off, so a page looks the same on every machine and in every decade. A character
without a glyph is reported here, before the page is made, with the path of the text that holds it.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from fontTools.ttLib import TTFont

from services.common.errors import Violation

FOLDER = Path(__file__).resolve().parent

FAMILY = "Liberation Serif"


@cache
def printable() -> frozenset[str]:
    """The characters for which every bundled face has a glyph."""
    faces = [frozenset(map(chr, TTFont(path, lazy=True).getBestCmap())) for path in sorted(FOLDER.glob("*.ttf"))]
    return frozenset.intersection(*faces)


def can_print(text: str) -> bool:
    """Whether every character of `text` has a glyph in every bundled face."""
    return printable().issuperset(text)


def violations(value: Any, path: str = "") -> Iterator[Violation]:
    """One NO_GLYPH violation per text in `value` with a character that no bundled font has."""
    if isinstance(value, str):
        if missing := sorted(set(value).difference(printable())):
            shown = ", ".join(f"“{char}” (U+{ord(char):04X})" for char in missing)
            yield Violation(path, "NO_GLYPH", f"Không in được ký tự {shown} trong “{value}”.")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from violations(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from violations(item, f"{path}[{index}]")
