"""Students' results of the year, read inside the frozen content of class books."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.common.db import Tx
from services.common.rows import rows, scalars
from services.gradebook.entry.store.holding import ALIVE
from services.gradebook.model.domain import RecordType, Stage


class _PromotionRow(NamedTuple):
    class_id: int
    student: str
    promotion: str | None


_HOLDS_RESULTS = (
    f"b.class_id = ANY(%(classes)s) AND b.record_type = %(class_book)s AND b.stage >= %(whole_year)s AND {ALIVE}"
)
_PROMOTIONS = f"""
WITH chosen AS (
    SELECT DISTINCT ON (b.class_id) b.class_id, convert_from(c.content, 'UTF8')::jsonb AS content
    FROM book b JOIN book_content c ON c.book_id = b.id
    WHERE {_HOLDS_RESULTS}
    ORDER BY b.class_id, b.stage DESC
)
SELECT b.class_id, s.value ->> 'moet_student_id' AS student, e.value ->> 'promotion' AS promotion
FROM chosen b, jsonb_array_elements(b.content -> 'students') WITH ORDINALITY AS s (value, place),
    jsonb_array_elements(b.content -> 'year' -> 'evaluation') WITH ORDINALITY AS e (value, place)
WHERE s.place = e.place
"""  # noqa: S608 - constants


def promotions(tx: Tx, classes: Sequence[int]) -> dict[tuple[int, str], str | None]:
    """(class id, moet_student_id) → promotion, from the classes' books of the whole year.

    A class's book of after the summer takes precedence. Classes without either book are omitted.
    """
    return {
        (row.class_id, row.student): row.promotion for row in rows(tx, _PromotionRow, _PROMOTIONS, _parameters(classes))
    }


def last_frozen(tx: Tx, classes: Sequence[int]) -> datetime | None:
    """When the last class book that holds results of the year was frozen; None without any."""
    return scalars(
        tx,
        datetime,
        "SELECT t.recorded_time FROM book b"  # noqa: S608 - a constant
        " JOIN book_transition t ON t.book_id = b.id AND t.from_state IS NULL"
        f" WHERE {_HOLDS_RESULTS} ORDER BY t.recorded_time DESC LIMIT 1",
        _parameters(classes),
    ).fetchone()


def _parameters(classes: Sequence[int]) -> dict[str, object]:
    return {"classes": list(classes), "class_book": RecordType.CLASS_BOOK, "whole_year": Stage.WHOLE_YEAR}
