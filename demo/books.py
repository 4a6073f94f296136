"""The demo's record books: frozen by their preparers, then moved until all are returned."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hoso.gradebook.v1 import books_pb2, common_pb2
from rich.progress import Progress

from cli import words
from cli.books import all_books
from cli.connection import Persons, Services, call
from demo.acts import Acts, DemoFailed
from demo.load import class_ref, request_id
from demo.school import School, SchoolClass
from services.common.errors import Rejected

Answer = TypeVar("Answer")

POLL_S = 0.3
STALLED_S = 600.0
"""How long no book may move before the demo gives up; longer than an outage of a few minutes."""

TYPES = words.RECORD_TYPES
TEACHER_BOOK_SUBJECT = "TOAN"
WHOLE_YEAR, AFTER_SUMMER = common_pb2.STAGE_WHOLE_YEAR, common_pb2.STAGE_AFTER_SUMMER

_RETURNED = books_pb2.BOOK_STATE_RETURNED
_UNRETURNED = [state for state in books_pb2.BookState.values() if state not in {0, _RETURNED}]
_MILESTONES = (
    ("In bản chưa có chữ ký số", books_pb2.BOOK_STATE_PRINTED_UNSIGNED),
    ("Rà soát, đối chiếu", books_pb2.BOOK_STATE_RECONCILED),
    ("Ký tay, đóng dấu, lưu bản giấy", books_pb2.BOOK_STATE_PAPER_ARCHIVED),
    ("Chữ ký số, dấu số", books_pb2.BOOK_STATE_SEALED),
    ("Khóa cơ sở dữ liệu", books_pb2.BOOK_STATE_LOCKED),
    ("Lưu trữ dưới khóa đối tượng", books_pb2.BOOK_STATE_ARCHIVED),
    ("Trả hồ sơ", books_pb2.BOOK_STATE_RETURNED),
)


@dataclass(frozen=True)
class Play:
    """One school of the demo, with the means to act for its people."""

    operator: Services
    vendor: Services
    persons: Persons
    school: School
    acts: Acts

    @property
    def year(self) -> dict[str, str]:
        """The fields by which requests name the school year."""
        return {"school": self.school.code, "school_year": self.school.school_year}

    def ref(self, c: SchoolClass) -> common_pb2.ClassRef:
        """The natural key of a class."""
        return class_ref(self.school, c)

    def request_id(self, *parts: object) -> str:
        """The idempotency key of a call, the same in every run."""
        return request_id(self.school, *parts)

    def act(self, person: str, rpc: Callable[..., Answer], request: object) -> Answer:
        """One call as a person of the school, waiting out an outage."""
        return call(rpc, request, self.persons.token(person), patient=True)

    def freeze(
        self, stage: "common_pb2.Stage.ValueType", person: str, c: SchoolClass | None = None, **fields: object
    ) -> None:
        """Freeze a book, unless an earlier run froze it and it has moved on."""
        request = books_pb2.FreezeBookRequest(
            school_class=common_pb2.ClassRef(**self.year) if c is None else self.ref(c),
            stage=stage,
            **fields,  # type: ignore[arg-type]
        )
        self._once(self.vendor.books.FreezeBook, request, person)

    def freeze_transcripts(self, stage: "common_pb2.Stage.ValueType", c: SchoolClass) -> None:
        """Freeze the transcripts of a whole class, as its homeroom teacher."""
        request = books_pb2.FreezeClassTranscriptsRequest(school_class=self.ref(c), stage=stage)
        self._once(self.vendor.books.FreezeClassTranscripts, request, c.homeroom_teacher)

    def all_versions(self, states: "Sequence[books_pb2.BookState.ValueType]" = ()) -> list[books_pb2.Book]:
        """The school's books of every type, replaced versions too. states: only those; empty for
        all.
        """
        return [
            book
            for record_type in TYPES
            for book in all_books(self.operator, self.school.code, self.school.school_year, record_type, states=states)
        ]

    def unreturned(self) -> list[books_pb2.Book]:
        """The school's books of every type that are not returned yet, each in its last version."""
        return [book for book in self.all_versions(_UNRETURNED) if not book.replaced_by_version]

    def _once(self, rpc: Callable[..., object], request: object, person: str) -> None:
        try:
            self.act(person, rpc, request)
        except Rejected as e:
            if e.reason != "BOOK_STATE":
                raise


def move(plays: Sequence[Play], progress: Progress, what: str, *, paper: bool) -> None:
    """Let people act on every book until all are returned. Raises DemoFailed when none moves."""
    milestones = [m for m in _MILESTONES if paper or m[1] != books_pb2.BOOK_STATE_PAPER_ARCHIVED]
    open_books = {book.id for play in plays for book in play.unreturned()}
    bars = {state: progress.add_task(f"{what}: {title}", total=len(open_books)) for title, state in milestones}
    last: dict[str, int] = {}
    moved = time.monotonic()
    while True:
        unreturned = [(play, book) for play in plays for book in play.unreturned()]
        states = {book.id: int(book.state) for _, book in unreturned}
        for state, bar in bars.items():
            # A book that is not listed was returned.
            progress.update(bar, completed=sum(states.get(book, _RETURNED) >= state for book in open_books))
        if not unreturned:
            return
        if states != last:
            last, moved = states, time.monotonic()
        elif time.monotonic() - moved > STALLED_S:
            raise DemoFailed(f"no book has moved for {STALLED_S:.0f} s; look at `hoso status` and `hoso jobs dead`")
        for play, book in unreturned:
            play.acts.advance(book)
        for play in plays:
            if any(s in _SIGNING for s in states.values()):
                play.acts.keep_keys_active()
        time.sleep(POLL_S)


_SIGNING = {books_pb2.BOOK_STATE_DIGITAL_SIGNING, books_pb2.BOOK_STATE_SIGNED}


def revoke_one_transcript(play: Play) -> None:
    """Revoke a returned transcript that proves wrong, with the Department's notice, and issue it
    again.
    """
    c = play.school.classes[0]
    student = c.students[-1].id
    transcript = max(_transcripts_of(play, student), key=lambda book: book.version)
    if transcript.version == 1 and transcript.state == books_pb2.BOOK_STATE_RETURNED:
        request = books_pb2.RevokeBookRequest(
            book=transcript.id,
            reason="Gia đình đề nghị cấp lại: học bạ đã trả bị thiếu xác nhận nơi sinh theo giấy khai sinh.",
            department_notice="Công văn số 1207/SGDĐT-GDTrH ngày 15/6/2026",
        )
        play.act(play.school.principal, play.vendor.books.RevokeBook, request)
    play.freeze(WHOLE_YEAR, c.homeroom_teacher, c, record_type=common_pb2.RECORD_TYPE_TRANSCRIPT, student=student)


def _transcripts_of(play: Play, student: str) -> Iterator[books_pb2.Book]:
    transcripts = all_books(play.operator, play.school.code, play.school.school_year, common_pb2.RECORD_TYPE_TRANSCRIPT)
    return (book for book in transcripts if book.student == student and book.stage == WHOLE_YEAR)
