"""Acts on many books in one call, such as the same act on every transcript of a class."""

from collections.abc import Callable, Sequence

from services.common.errors import Forbidden, HosoError, Unauthenticated
from services.common.identity import Caller
from services.gradebook.books.book_store import BookRow
from services.gradebook.entry.bulk import ANSWERS, Refused
from services.gradebook.model.checks import Findings

MAX_ACTS = 100
"""Acts per call: a class has at most seventy transcripts; a call holds a thread of the server."""

ActOnBook = Callable[[Caller], BookRow]
"""One act of `books`, with its own transaction, guards, history and audit row."""


def act_on_books(
    caller: Caller, acts: Sequence[ActOnBook | None], refused: Refused, is_awaited: Callable[[], bool]
) -> list[BookRow | HosoError]:
    """Do the acts one by one, in order; the answer is the book or the refusal of each.

    acts: None where a request names no act. refused: records a refused person or client.
    is_awaited: False once the caller has gone; they may send all acts again, since repeating an act
    has no effect.
    Raises Invalid COUNT, REQUIRED before the first act; Unavailable when a dependency is away, with
    the acts before it done.
    """
    results: list[BookRow | HosoError] = []
    for act in _checked(acts):
        if not is_awaited():
            break
        try:
            results.append(act(caller))
        except ANSWERS as e:
            if isinstance(e, Forbidden | Unauthenticated):
                refused(caller, e)
            results.append(e)
    return results


def _checked(acts: Sequence[ActOnBook | None]) -> list[ActOnBook]:
    findings = Findings()
    if findings.count("acts", len(acts), 1, MAX_ACTS):
        for index, act in enumerate(acts):
            if act is None:
                findings.add(f"acts[{index}]", "REQUIRED", "Phải nêu một việc cần làm với sổ.")
    findings.refuse()
    return [act for act in acts if act is not None]
