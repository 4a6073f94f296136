"""Snapshots: the data of classes as canonical bytes, each chained to the class's previous one,
announced to archive.
"""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hoso.gradebook.v1 import events_pb2

from services.common import outbox
from services.common.db import Tx
from services.gradebook.entry.snapshot_content import SnapshotFacts, class_snapshot
from services.gradebook.entry.store import class_data, windows
from services.gradebook.entry.store.class_data import ClassHead
from services.gradebook.entry.store.windows import NewSnapshot
from services.gradebook.model.domain import Semester
from services.gradebook.roster.roster_store import YearRow


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why a snapshot is taken: a window was closed (window_id and its name), or a correction was
    approved.
    """

    time: datetime
    window_id: int | None = None
    window: str | None = None
    correction_id: uuid.UUID | None = None


def take(tx: Tx, year: YearRow, heads: Sequence[ClassHead], occasion: Occasion) -> list[NewSnapshot]:
    """Write a snapshot of each class as it stands; this transaction holds the year alone."""
    data = class_data.read(tx, year.id, year.name, heads, list(Semester))
    last = windows.last_snapshots(tx, [head.id for head in heads])
    taken = []
    for head in heads:
        sequence, previous = last.get(head.id, (0, None))
        facts = SnapshotFacts(
            year.school,
            head.name,
            occasion.window,
            occasion.time,
            sequence + 1,
            previous,
            None if occasion.correction_id is None else str(occasion.correction_id),
        )
        bytes_ = class_snapshot(data[head.id], facts)
        digest = hashlib.sha256(bytes_).digest()
        taken.append(
            NewSnapshot(
                uuid.uuid4(),
                occasion.window_id,
                occasion.correction_id,
                head.id,
                sequence + 1,
                bytes_,
                digest,
                previous,
            )
        )
    windows.add_snapshots(tx, taken)
    outbox.add_all(
        tx,
        [
            events_pb2.SnapshotTaken(
                snapshot=str(snapshot.id),
                school=year.school,
                school_year=year.name,
                content_sha256=snapshot.content_sha256,
                size_bytes=len(snapshot.content),
            )
            for snapshot in taken
        ],
    )
    return taken
