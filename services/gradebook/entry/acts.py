"""What every act of entry has in common: the request that it answers, its row, its audit row.

Order within the transaction of an act: who may act → hold the year, the sheet and the request id →
was this request answered before → is entry possible now → is the input right → write data, act and
audit row. Everything wrong with the input is reported at once; a refusal leaves nothing behind.
"""

from collections.abc import Collection

from services.common import audit
from services.common.audit import AuditRow
from services.common.db import Tx
from services.common.errors import Conflict
from services.common.identity import Caller
from services.gradebook.entry.store import acts as act_store
from services.gradebook.entry.store.acts import EarlierAct, Written
from services.gradebook.model.acts import DIGEST_VERSION, Entered, EnteredAct, EntryAct, EntryRequest
from services.gradebook.model.domain import ClassRef
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.roster import access

_ACTIONS: dict[int, str] = {
    EntryKind.MARKS: "MARKS_ENTERED",
    EntryKind.SETTLEMENT: "MARKS_SETTLED",
    EntryKind.CONDUCT: "CONDUCT_ENTERED",
    EntryKind.ABSENCES: "ABSENCES_ENTERED",
    EntryKind.ATTENDANCE: "ATTENDANCE_ENTERED",
}


def repeat(
    earlier: Collection[EarlierAct], kinds: Collection[int], request: EntryRequest, caller: Caller
) -> EnteredAct:
    """The first answer to a request that was answered before.

    earlier: the acts with its id, at least one. kinds: of an act that such a request makes;
    messages of two kinds may have the same bytes. Raises Conflict REQUEST_ID_REUSED for another
    request.
    """
    same = [act for act in earlier if act.request_sha256 == request.sha256 and act.kind in kinds]
    if not same:
        raise Conflict(
            "REQUEST_ID_REUSED",
            "Mã yêu cầu (request_id) đã dùng cho một yêu cầu khác.",
            request_id=request.id,
            client=caller.client,
        )
    cells, texts = [act.cells for act in same], [act.texts for act in same]
    return EnteredAct(_sum(cells), _sum(texts))


def earlier_answer(tx: Tx, request: EntryRequest, kind: EntryKind, caller: Caller) -> EnteredAct | None:
    """What a request was answered before, None for a new one; its id is held until commit.

    The caller holds the year. Raises as `repeat`.
    """
    act_store.hold_request(tx, request.id)
    earlier = act_store.earlier_acts(tx, request.id)
    return repeat(earlier, {kind}, request, caller) if earlier else None


def _sum(counts: Collection[Entered]) -> Entered:
    return Entered(sum(count.changed for count in counts), sum(count.unchanged for count in counts))


def new_act(
    request: EntryRequest,
    kind: EntryKind,
    class_id: int | None,
    caller: Caller,
    *,
    subject_id: int | None = None,
    semester: int | None = None,
    reason: str = "",
) -> EntryAct:
    """An act of entry by the caller, in a class that was found."""
    assert class_id is not None
    assert caller.person is not None
    return EntryAct(
        request.id, request.sha256, kind, class_id, subject_id, semester, caller.person, caller.client, reason
    )


def record(tx: Tx, caller: Caller, ref: ClassRef, act: EntryAct, written: Written, **facts: object) -> None:
    """Leave the audit row of an act with cells; last in the transaction, because writers to a chain
    wait in turn.
    """
    audit.append(tx, cells_record(caller, ref, act, written, **facts))


def cells_record(caller: Caller, ref: ClassRef, act: EntryAct, written: Written, **facts: object) -> AuditRow:
    """The audit row of an act with cells."""
    facts |= {
        "request": act.request_id,
        "changed": written.changed,
        "cells_sha256": written.sha256,
        "digest_version": DIGEST_VERSION,
    }
    return access.school_record(caller, ref.school, _ACTIONS[act.kind], ref.resource, **facts)
