"""A PDF with every page painted over: attachment, form and fields are kept."""

import io

import pikepdf


def painted_over(pdf: bytes) -> bytes:
    """The same file, and on each page nothing is left to see."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        for page in opened.pages:
            left, bottom, right, top = (float(edge) for edge in page.mediabox)
            white = f"q 1 1 1 rg {left} {bottom} {right - left} {top - bottom} re f Q".encode()
            page.contents_add(pikepdf.Stream(opened, white), prepend=False)
        opened.save(out)
    return out.getvalue()
