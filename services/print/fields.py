"""Empty signature form fields, added once to the signing copy before it is stored.

Typst makes no form fields. The template marks the place of each (labelled metadata), and this
module adds them in one incremental update. Every later signature then fills a field of an existing
form, which is all that a document certified by its first signature still permits (ISO 32000-1,
12.8.2.2, table 254).
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigFieldSpec, append_signature_field


@dataclass(frozen=True)
class FieldPlace:
    """The place of a signature field: `page` from 1, the rest in points from the page's upper left
    corner.
    """

    name: str
    page: int
    x: float
    y: float
    width: float
    height: float


class _DeterministicWriter(IncrementalPdfFileWriter):
    """Writes the same bytes for the same input; pyHanko would add the time and a random id."""

    @classmethod
    def _handle_id(cls, prev: PdfFileReader) -> generic.ArrayObject:
        first = prev.trailer["/ID"][0]
        original = getattr(first, "original_bytes", first)
        # The identifier's second part changes with the revision (ISO 32000-1, 14.4).
        second = sha256(bytes(original) + b"signature fields").digest()[:16]
        return generic.ArrayObject([generic.ByteStringObject(original), generic.ByteStringObject(second)])

    def _update_meta(self) -> None:
        """Nothing: the document's metadata describe the book, not this step."""


def add(pdf: bytes, places: Sequence[FieldPlace]) -> bytes:
    """`pdf` with one empty, visible and printable signature field for each of `places`, in that
    order.
    """
    writer = _DeterministicWriter(io.BytesIO(pdf))
    for place in places:
        page = writer.find_page_for_modification(place.page - 1)[0].get_object()  # type: ignore[no-untyped-call]
        top = float(page["/MediaBox"][3]) - place.y
        box = (round(place.x), round(top - place.height), round(place.x + place.width), round(top))
        append_signature_field(writer, SigFieldSpec(place.name, on_page=place.page - 1, box=box))
    out = io.BytesIO()
    writer.write(out)  # type: ignore[no-untyped-call]
    return out.getvalue()
