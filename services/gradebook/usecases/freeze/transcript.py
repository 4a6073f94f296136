"""Freezing transcripts: what a class book says of a student, with the years before."""

from services.common.db import Database
from services.common.errors import Rejected
from services.common.identity import Caller
from services.gradebook.domain import ClassRef
from services.gradebook.store.books import BookRow


def freeze_class_transcripts(database: Database, caller: Caller, ref: ClassRef, stage: int) -> list[BookRow]:
    """Freeze the transcripts of all students of a class, all or nothing (homeroom teacher)."""
    del database, caller, stage
    raise Rejected("RECORD_TYPE_NOT_KEPT", "Hệ thống chưa lập loại sổ này.", school_class=ref.name)
