"""Books of every record type on their way; each method is a step by the right person or service."""

import json
from typing import Any

from hoso.gradebook.v1 import common_pb2, remarks_pb2

from services.print.content import parse
from tests.integration.gradebook.books.line import Announce, Line
from tests.integration.gradebook.world import WHOLE_YEAR, World

TEACHER_BOOK = common_pb2.RECORD_TYPE_TEACHER_BOOK
TRANSCRIPT = common_pb2.RECORD_TYPE_TRANSCRIPT


class RecordLine(Line):
    """A book that was frozen already, or is frozen with the fields of FreezeBook."""

    def __init__(self, world: World, announce: Announce, preparer: str, book: Any = None, **fields: Any) -> None:
        self.world, self.announce, self.school_class = world, announce, world.school.classes[0]
        self.preparer, self.fields = preparer, fields
        self.book = book or self.freeze()

    def freeze(self, person: str | None = None) -> Any:
        self.book = self.world.ask("FreezeBook", person=person or self.preparer, **self.fields).book
        return self.book

    def reconcile(self) -> None:
        self.assign()
        self.printed()
        self.act("StartReconciliation", self.world.school.data_officer)
        self.confirm(self.world.school.data_officer)
        self.confirm(self.preparer)

    def content(self) -> Any:
        """The frozen content, which print must take."""
        data = self.world.ask("DownloadBookContent", client="service/print", book=self.book.id)
        parse(data, self.book.content_sha256.hex())
        return json.loads(data)


def whole_year_ref(world: World) -> common_pb2.ClassRef:
    """School and year, without a class."""
    return common_pb2.ClassRef(school=world.school.code, school_year=world.school.school_year)


def transcript(world: World, announce: Announce, student: str, stage: int = WHOLE_YEAR) -> RecordLine:
    school_class = world.school.classes[0]
    return RecordLine(
        world,
        announce,
        school_class.homeroom_teacher,
        record_type=TRANSCRIPT,
        school_class=world.ref(school_class),
        student=student,
        stage=stage,
    )


def to_locked(line: Line) -> None:
    line.reconcile()
    line.start_signing()
    line.signed()
    if line.book.sealed:
        line.sealed()
    line.lock()


def remark(world: World, person: str, period: int, rows: dict[str, str], *, subject: str = "", request: str) -> Any:
    return world.ask(
        "EnterRemarks",
        person=person,
        request_id=request,
        school_class=world.ref(world.school.classes[0]),
        subject=subject,
        period=period,
        rows=[remarks_pb2.RemarkRow(student=student, text=text) for student, text in rows.items()],
    )
