"""What a signature looks like on the page: blue personal signatures, the red seal (Decree
30/2020/NĐ-CP, Appendix I).

Letters are drawn as outlines, so an appearance needs no font resource and cannot break the
document's PDF/A.
"""

import datetime as dt
import functools
import math
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fontTools.pens.basePen import BasePen
from fontTools.ttLib import TTFont

_FONTS: Final = Path(__file__).parents[1] / "fonts"
_SCRIPT: Final = "LiberationSerif-Italic.ttf"
_CAPITALS: Final = "LiberationSerif-Bold.ttf"
_POINTS_PER_MM: Final = 72 / 25.4
_BLUE: Final = "0.05 0.15 0.60"
_RED: Final = "0.83 0.07 0.09"
_TIME_SIZE_PT: Final = 6.5
_LARGEST_NAME_PT: Final = 21.0
_FONT_LOCK: Final = (
    threading.RLock()
)  # fontTools reads tables when they are first asked for, and no two threads at once
SEAL_DIAMETER_MM: Final = 36.0
"""Diameter of a school's round seal, drawn at its true size wherever its field lies."""


@dataclass(frozen=True)
class PersonalMark:
    """A person's signature: the name in blue script and the time of signing below it."""

    name: str


@dataclass(frozen=True)
class SealMark:
    """The school's round red seal with its name around a star; an image without further text."""

    name: str


Mark = PersonalMark | SealMark


def draw(mark: Mark, width: float, height: float, time: dt.datetime) -> bytes:
    """PDF content that draws `mark` into a box of `width` × `height` points whose origin is its
    lower left corner.

    time: aware; shown in ISO 8601 at its own offset, to the second.
    """
    match mark:
        case PersonalMark(name):
            return _personal(name, width, height, time).encode("ascii")
        case SealMark(name):
            return _seal(name, width / 2, height / 2).encode("ascii")


def _personal(name: str, width: float, height: float, time: dt.datetime) -> str:
    time_band = _TIME_SIZE_PT * 1.7
    room = height - time_band
    size = min(_LARGEST_NAME_PT, 0.84 * width / _width(_SCRIPT, name, 1.0), 0.5 * room)
    run = _width(_SCRIPT, name, size)
    left, baseline = (width - run) / 2, time_band + 0.36 * room
    flourish = (
        f"0.7 w 1 J {left:.1f} {baseline - 0.30 * size:.1f} m "
        f"{left + 0.35 * run:.1f} {baseline - 0.62 * size:.1f} {left + 0.75 * run:.1f} {baseline + 0.02 * size:.1f} "
        f"{left + 1.04 * run:.1f} {baseline - 0.22 * size:.1f} c S"
    )
    slope = math.tan(math.radians(5))
    stamp = time.isoformat(timespec="seconds")
    stamp_left = (width - _width(_SCRIPT, stamp, _TIME_SIZE_PT)) / 2
    return (
        f"q {_BLUE} rg {_BLUE} RG "
        f"q 1 {slope:.4f} 0 1 0 {-slope * width / 2:.2f} cm {_line(_SCRIPT, name, size, left, baseline)} {flourish} Q "
        f"{_line(_SCRIPT, stamp, _TIME_SIZE_PT, stamp_left, 0.5 * _TIME_SIZE_PT)} Q"
    )


def _seal(name: str, x: float, y: float) -> str:
    radius = SEAL_DIAMETER_MM / 2 * _POINTS_PER_MM
    rim = 1.1 * _POINTS_PER_MM
    inner = 0.60 * radius
    text = name.upper()
    # Letters stand between the two circles; a long name gets smaller ones, so that the foot of the
    # ring stays free.
    text_radius = inner + 0.10 * radius
    widest = 1.55 * math.pi * text_radius
    size = min(0.26 * radius, widest / _width(_CAPITALS, text, 1.0))
    return (
        f"q 1 0 0 1 {x:.2f} {y:.2f} cm {_RED} RG {_RED} rg {rim:.2f} w {_circle(radius - rim / 2)} S "
        f"0.8 w {_circle(inner)} S {_arc(_CAPITALS, text, size, text_radius)} "
        f"{_star(0.40 * radius, 0.0, 0.0)} f {_star(0.075 * radius, 0.0, -0.79 * radius)} f Q"
    )


def _circle(radius: float) -> str:
    k = 0.5523 * radius  # Bézier control distance of a quarter circle
    r = radius
    return (
        f"{r:.2f} 0 m {r:.2f} {k:.2f} {k:.2f} {r:.2f} 0 {r:.2f} c {-k:.2f} {r:.2f} {-r:.2f} {k:.2f} {-r:.2f} 0 c "
        f"{-r:.2f} {-k:.2f} {-k:.2f} {-r:.2f} 0 {-r:.2f} c {k:.2f} {-r:.2f} {r:.2f} {-k:.2f} {r:.2f} 0 c h"
    )


def _star(radius: float, x: float, y: float) -> str:
    points = []
    for i in range(10):
        r = radius if i % 2 == 0 else radius * 0.382
        angle = math.pi / 2 + i * math.pi / 5
        points.append(f"{x + r * math.cos(angle):.2f} {y + r * math.sin(angle):.2f}")
    return f"{points[0]} m " + " ".join(f"{point} l" for point in points[1:]) + " h"


def _arc(font: str, text: str, size: float, radius: float) -> str:
    """Letters on the upper part of a circle around the origin, their feet towards its centre."""
    parts = []
    angle = math.pi / 2 + _width(font, text, size) / radius / 2
    for letter in text:
        half = _width(font, letter, size) / radius / 2
        angle -= half
        sin, cos = math.sin(angle - math.pi / 2), math.cos(angle - math.pi / 2)
        x, y = radius * math.cos(angle), radius * math.sin(angle)
        glyph = _line(font, letter, size, -half * radius, 0.0)
        parts.append(f"q {cos:.4f} {sin:.4f} {-sin:.4f} {cos:.4f} {x:.2f} {y:.2f} cm {glyph} Q")
        angle -= half
    return " ".join(parts)


def _line(font: str, text: str, size: float, x: float, y: float) -> str:
    scale = size / _units(font)
    parts = [f"q {scale:.6f} 0 0 {scale:.6f} {x:.2f} {y:.2f} cm"]
    pen = 0
    for letter in text:
        advance, outline = _glyph(font, letter)
        if outline:
            parts.append(f"1 0 0 1 {pen} 0 cm {outline} f")
            pen = 0
        pen += advance
    return " ".join([*parts, "Q"])


def _width(font: str, text: str, size: float) -> float:
    return sum(_glyph(font, letter)[0] for letter in text) * size / _units(font)


@functools.cache
def _font(name: str) -> Any:
    return TTFont(_FONTS / name, lazy=True)


@functools.cache
def _units(font: str) -> int:
    with _FONT_LOCK:
        return int(_font(font)["head"].unitsPerEm)


@functools.cache
def _glyph(font: str, letter: str) -> tuple[int, str]:
    """Advance and outline of one letter in font units; a letter that the font lacks shows as its
    missing glyph.
    """
    with _FONT_LOCK:
        glyphs = _font(font).getGlyphSet()
        name = _font(font).getBestCmap().get(ord(letter), ".notdef")
        pen = _PdfPen(glyphs)
        glyphs[name].draw(pen)
        return int(glyphs[name].width), " ".join(pen.operators)


class _PdfPen(BasePen):  # type: ignore[misc]
    """Writes an outline as PDF path operators; BasePen turns TrueType's curves into cubic ones."""

    def __init__(self, glyphs: Any) -> None:
        super().__init__(glyphs)
        self.operators: list[str] = []

    def _moveTo(self, pt: tuple[float, float]) -> None:
        self.operators.append(f"{pt[0]:.0f} {pt[1]:.0f} m")

    def _lineTo(self, pt: tuple[float, float]) -> None:
        self.operators.append(f"{pt[0]:.0f} {pt[1]:.0f} l")

    def _curveToOne(self, pt1: tuple[float, float], pt2: tuple[float, float], pt3: tuple[float, float]) -> None:
        self.operators.append(" ".join(f"{x:.0f} {y:.0f}" for x, y in (pt1, pt2, pt3)) + " c")

    def _closePath(self) -> None:
        self.operators.append("h")
