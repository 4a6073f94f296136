"""Which statements the services execute, and where: each call of psycopg is noted with the line
that made it.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from tests.integration.plans.sites import PASSING_ON, ROOT, SERVICES, Site


class Statement(NamedTuple):
    """A statement as it was executed. raw: its parameters are $1 …, else %s or %(name)s."""

    site: Site
    text: str
    parameters: Any
    raw: bool


class Recorder:
    """The statements that were executed while `recording`. unknown: calls that `sites` does not
    see.
    """

    def __init__(self, known: list[Site]) -> None:
        self.statements: list[Statement] = []
        self.unknown: list[str] = []
        self._by_path: dict[str, list[Site]] = {}
        for site in known:
            if site.executes:
                self._by_path.setdefault(site.path, []).append(site)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Note what any cursor executes."""
        with pytest.MonkeyPatch.context() as patch:
            for kind in (psycopg.Cursor, psycopg.ServerCursor):
                patch.setattr(kind, "execute", self._noting(kind.execute))
            patch.setattr(psycopg.Cursor, "stream", self._noting(psycopg.Cursor.stream))
            patch.setattr(psycopg.Cursor, "executemany", self._noting(psycopg.Cursor.executemany, many=True))
            yield

    def _noting(self, execute: Any, *, many: bool = False) -> Any:
        def noting(cursor: Any, query: Any, parameters: Any = None, **options: Any) -> Any:
            site = self._site()
            if site is not None:
                text = query if isinstance(query, str) else query.as_string(cursor)
                some = next(iter(parameters), None) if many else parameters
                if some is not None or not many:
                    raw = isinstance(cursor, psycopg.RawCursor)
                    self.statements.append(Statement(site, text, _plain(some), raw))
            return execute(cursor, query, parameters, **options)

        return noting

    def _site(self) -> Site | None:
        """The innermost call of the services on the stack, modules that pass on left out.

        None when it is the test's own, or not among the known.
        """
        frame = sys._getframe(2)
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(SERVICES):
                name = str(path.relative_to(ROOT))
                if name not in PASSING_ON:
                    line = frame.f_lineno
                    here = [site for site in self._by_path.get(name, ()) if site.first_line <= line <= site.last_line]
                    if not here:
                        self.unknown.append(f"{name}:{line}")
                        return None
                    return min(here, key=lambda site: site.last_line - site.first_line)
            frame = frame.f_back  # type: ignore[assignment]
        return None


def _plain(parameters: Any) -> Any:
    if parameters is None or isinstance(parameters, Mapping):
        return parameters
    return tuple(parameters)
