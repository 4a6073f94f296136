"""Acts on many books in one call, such as the same one on every transcript of a class: each alone, in order."""

from collections.abc import Callable, Sequence

from services.common.errors import Forbidden, HosoError, Unauthenticated
from services.common.identity import Caller
from services.gradebook.books.book_store import BookRow
from services.gradebook.entry.bulk import ANSWERS, Refused
from services.gradebook.model.checks import Findings

MAX_ACTS = 100
"""Acts a call: a class has at most seventy transcripts, and a call holds a thread of the server while it lasts."""

Acting = Callable[[Caller], BookRow]
"""One act of the use case `books`, which has its own transaction, guard, history and audit row."""


def act_on_books(
    caller: Caller, acts: Sequence[Acting | None], refused: Refused, is_awaited: Callable[[], bool]
) -> list[BookRow | HosoError]:
    """Do each act; the answer holds the book or the refusal of each. Repeating acts that were done has no effect.

    acts: None for one that names no act. is_awaited: False once the caller has gone, who then may send all again.
    Raises Invalid COUNT, REQUIRED before anything is done; Unavailable when a dependency is away, with the acts before
    done.
    """
    found: list[BookRow | HosoError] = []
    for act in _checked(acts):
        if not is_awaited():
            break
        try:
            found.append(act(caller))
        except ANSWERS as e:
            if isinstance(e, Forbidden | Unauthenticated):
                refused(caller, e)
            found.append(e)
    return found


def _checked(acts: Sequence[Acting | None]) -> list[Acting]:
    found = Findings()
    if found.count("acts", len(acts), 1, MAX_ACTS):
        for index, act in enumerate(acts):
            if act is None:
                found.add(f"acts[{index}]", "REQUIRED", "Phải nêu một việc cần làm với sổ.")
    found.refuse()
    return [act for act in acts if act is not None]
