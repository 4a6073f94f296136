"""What waits for the corrections of a class: freezing a book, and signing it."""

from collections.abc import Sequence

from services.common.db import Tx
from services.common.errors import Rejected
from services.gradebook.store import corrections

_NAMED = 10


def refuse(tx: Tx, class_id: int, semesters: Sequence[int]) -> None:
    """Raises Rejected CORRECTION_OPEN while corrections of these semesters wait for a decision."""
    found = corrections.open_ids(tx, class_id, semesters)
    if found:
        raise Rejected(
            "CORRECTION_OPEN",
            f"Còn {len(found)} đề nghị sửa điểm của lớp chưa được giải quyết.",
            corrections=",".join(map(str, found[:_NAMED])),
            open=len(found),
        )
