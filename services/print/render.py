"""Frozen content in, PDF out. The only module that knows Typst.

The same content, template, fonts and engine give the same bytes on one platform: the document's
date is the closing time, identifiers follow from the content, and only the template folder and the
bundled fonts are read.
"""

import io
import itertools
import json
import threading
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal

import segno
import typst

from services.print import fields, fonts
from services.print.content import Content
from services.print.fields import FieldPlace
from services.print.kind import Kind

TEMPLATES = Path(__file__).resolve().parent / "templates"

PDF_STANDARD: Literal["a-3b"] = "a-3b"
"""ISO 19005-3 level B: the archival form that allows attachments of any type; ours is the content.
"""

_FORGET_ROUNDS = 3
COPIES_REMEMBERED = 4
"""The engine's cache is dropped after this many copies."""
_copies = itertools.count(1)


@dataclass(frozen=True)
class Rendition:
    """A rendered document. fields: those of a signing copy, in the order of the content."""

    pdf: bytes
    pages: int
    fields: tuple[FieldPlace, ...]


class RenderError(Exception):
    """The engine refused checked content: our fault (template, fonts, engine), not the school's."""


def render(book: Content, kind: Kind) -> Rendition:
    """Make the PDF/A-3b of a checked record. Raises RenderError.

    Safe to call from several threads; each keeps its own compiler.
    """
    compiler = _compiler(book.format.template)
    if next(_copies) % COPIES_REMEMBERED == 0:
        _forget()
    try:
        pdf = compiler.compile(
            format="pdf",
            sys_inputs=inputs(book, kind),
            pdf_standards=[PDF_STANDARD],
            timestamp=datetime.fromisoformat(book.data["closing_time"]),
            # Tags make the file eighteen times larger; level B does not ask for them.
            pdf_tags=False,
        )
        pages = json.loads(compiler.query("<pages>", field="value", one=True))
        places = json.loads(compiler.query("<signature-field>", field="value"))
    except typst.TypstError as e:
        raise RenderError(f"{book.record_name}: {e.diagnostic}") from e
    if not isinstance(pdf, bytes):
        raise RenderError(f"{book.record_name}: the engine returned no document")
    # Typst ends with %%EOF and no line end; an incremental update appended there would break PDF/A
    # (ISO 19005-2, 6.1.9).
    pdf += b"\n"
    if kind is Kind.UNSIGNED:
        return Rendition(pdf, pages, ())
    by_name = {place["name"]: FieldPlace(**place) for place in places}
    names = [signatory["field"] for signatory in book.data["signatories"]]
    if sorted(names) != sorted(by_name) or len(by_name) != len(places):
        raise RenderError(f"{book.record_name}: the template places fields {sorted(by_name)}, the content has {names}")
    ordered = tuple(by_name[name] for name in names)
    return Rendition(fields.add(pdf, ordered), pages, ordered)


def _forget() -> None:
    """Empty the engine's cache of past books, so that a worker stays near 600 MB.

    The engine keeps every intermediate result until ten compilations have not used it: 150 MB per
    book. A few empty compilations age them. Templates and fonts are read again afterwards, so this
    is not done after each book.
    """
    for _ in range(_FORGET_ROUNDS):
        _compiler("nothing").compile(format="pdf")


def inputs(book: Content, kind: Kind) -> dict[str, str]:
    """The template's `sys.inputs`: content, digest, the record's name, the QR code, the kind."""
    return {
        "content": book.raw.decode(),
        "digest": book.digest,
        "record": book.record_name,
        "qr": _qr_code(f"hoso:{book.record_name}?sha256={book.digest}"),
        "kind": kind.value,
    }


def _qr_code(text: str) -> str:
    svg = io.BytesIO()
    # Scoring all eight masks, as the standard does, is nearly the whole cost; readers accept any.
    segno.make(text, error="m", micro=False, mask=0).save(svg, kind="svg", xmldecl=False, border=0)
    return svg.getvalue().decode()


@cache
def _fonts() -> typst.Fonts:
    # Reading the fonts takes longer than making a page; all compilers of the process share them.
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(fonts.FOLDER)])


_local = threading.local()


def _compiler(template: str) -> typst.Compiler:
    compilers: dict[str, typst.Compiler] = _local.__dict__.setdefault("compilers", {})
    if template not in compilers:
        main = str(TEMPLATES / template / "book.typ")
        compilers[template] = typst.Compiler(main, root=str(TEMPLATES), font_paths=_fonts())
    return compilers[template]
