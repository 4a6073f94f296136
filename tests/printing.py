"""Frozen content to PDF in one call, as print's job `render` does it."""

from services.print import render as engine
from services.print.content import parse
from services.print.kind import Kind


def render(content: bytes, kind: Kind) -> engine.Rendition:
    """Check canonical bytes of a format and make their PDF. Raises Invalid, RenderError."""
    return engine.render(parse(content), kind)
