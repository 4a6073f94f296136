"""Rendering: pages per second of print's worker path, against a bare loop over one reused Typst
compiler.

Both make the same class books, first the unsigned print copy and then the signing copy, each side
in a process of its own: Typst remembers earlier layouts for the whole process, so one side must not
find what the other has computed.
"""

import itertools
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from datetime import datetime
from functools import cache

import typst

from bench.pairs import Settings, Slice, Tell, amount_for, take_turns
from bench.report import Row, compared
from services.print import fonts, render
from services.print.content import parse
from services.print.kind import Kind

TARGET = 0.9
AGAINST = "bare loop over one reused typst.Compiler"
_MOST = 400


def measure(contents: list[bytes], settings: Settings, tell: Tell) -> list[Row]:
    """One row: print's path from frozen content to stored bytes, against the compiler alone.

    contents: canonical bytes of class books; several, so that no book follows itself.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as ours, ProcessPoolExecutor(1, spawn) as bare:
        order = itertools.cycle(contents)
        _run(ours, rendered, [next(order)])  # the first of each process also loads the engine, the fonts, the schema
        _run(bare, compiled, contents[:1])
        trial = _run(ours, rendered, [next(order)])
        books = amount_for(settings.seconds, Slice(1, trial.seconds), least=1, most=_MOST)
        slices = [list(itertools.islice(order, books)) for _ in range(settings.pairs)]
        rates = take_turns(
            settings.pairs,
            lambda number: _run(ours, rendered, slices[number]),
            {AGAINST: lambda number: _run(bare, compiled, slices[number])},
            tell,
        )
    note = f"{books} books a slice, an unsigned and a signing copy each, {trial.amount / 2:.0f} pages a copy"
    return [compared("rendering.pages", "pages/s", rates, AGAINST, target=TARGET, note=note)]


def rendered(contents: list[bytes]) -> Slice:
    """Render each book twice as print's worker does. The amount is pages."""
    began = time.perf_counter()
    pages = 0
    for content, kind in _copies(contents):
        pages += render.render(parse(content), kind).pages
    return Slice(pages, time.perf_counter() - began)


def compiled(contents: list[bytes]) -> Slice:
    """Compile the same documents and nothing else; inputs are made, and pages counted, outside of
    the time.
    """
    prepared = []
    for content, kind in _copies(contents):
        book = parse(content)
        prepared.append((render.inputs(book, kind), datetime.fromisoformat(book.data["closing_time"])))
    spent, pages = 0.0, 0
    for inputs, closing_time in prepared:
        began = time.perf_counter()
        _compiler().compile(
            format="pdf",
            sys_inputs=inputs,
            pdf_standards=[render.PDF_STANDARD],
            timestamp=closing_time,
            pdf_tags=False,
        )
        spent += time.perf_counter() - began
        pages += int(_compiler().query("<pages>", field="value", one=True))
    return Slice(pages, spent)


def _copies(contents: list[bytes]) -> Iterator[tuple[bytes, Kind]]:
    return ((content, kind) for content in contents for kind in (Kind.UNSIGNED, Kind.SIGNING))


@cache
def _compiler() -> typst.Compiler:
    # The template of the format that gradebook freezes; as in print, it may read neighbouring
    # files.
    main = render.TEMPLATES / "class_book" / "2" / "book.typ"
    faces = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(fonts.FOLDER)])
    return typst.Compiler(str(main), root=str(render.TEMPLATES), font_paths=faces)


def _run(pool: Executor, work: object, contents: list[bytes]) -> Slice:
    return pool.submit(work, contents).result()  # type: ignore[arg-type]
