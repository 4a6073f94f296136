"""What frozen class books say of the students' years: read where it stands, inside the frozen content."""

from collections.abc import Sequence
from datetime import datetime

from services.common.db import Tx

_RESULTS = """
WITH chosen AS (
    SELECT DISTINCT ON (b.class_id) b.class_id, convert_from(c.content, 'UTF8')::jsonb AS content
    FROM book b JOIN book_content c ON c.book_id = b.id
    WHERE b.class_id = ANY(%(classes)s) AND b.record_type = 1 AND b.stage >= 2 AND b.state NOT IN (5, 16)
    ORDER BY b.class_id, b.stage DESC
)
SELECT b.class_id, s.value ->> 'moet_student_id', e.value ->> 'promotion'
FROM chosen b, jsonb_array_elements(b.content -> 'students') WITH ORDINALITY AS s (value, place),
    jsonb_array_elements(b.content -> 'year' -> 'evaluation') WITH ORDINALITY AS e (value, place)
WHERE s.place = e.place
"""


def promotions(tx: Tx, classes: Sequence[int]) -> dict[tuple[int, str], str | None]:
    """(class id, moet_student_id) → promotion, from the living class books of the whole year.

    The book of after the summer goes before the one of before it. Students of classes without such a book are absent.
    """
    rows = tx.execute(_RESULTS, {"classes": list(classes)})
    return {(row[0], row[1]): row[2] for row in rows}


def last_frozen(tx: Tx, classes: Sequence[int]) -> datetime | None:
    """When the last of the class books that `promotions` reads was frozen."""
    row = tx.execute(
        "SELECT max(t.recorded_time) FROM book b JOIN book_transition t ON t.book_id = b.id AND t.from_state IS NULL"
        " WHERE b.class_id = ANY(%s) AND b.record_type = 1 AND b.stage >= 2 AND b.state NOT IN (5, 16)",
        (list(classes),),
    ).fetchone()
    assert row is not None
    return None if row[0] is None else row[0]
