"""Whether data may be entered now: what windows let in, and what books alive hold."""

from collections.abc import Collection, Sequence
from uuid import UUID

from services.common.db import Tx
from services.common.errors import Rejected, Violation
from services.gradebook.entry.store import sheets
from services.gradebook.entry.store.holding import BookStage
from services.gradebook.entry.store.sheets import EntryState, Target
from services.gradebook.model import sheet_rules
from services.gradebook.model.checks import refuse
from services.gradebook.model.domain import MarkKind, RecordType, Stage, column_kind
from services.gradebook.model.lifecycle import READ_ONLY, BookState


def open_state(tx: Tx, target: Target, semester: int | None, request_id: UUID) -> EntryState:
    """Hold the year open until commit, and read what decides whether an entry may be made. semester
    None: any.
    """
    sheets.share_year(tx, target, semester, request_id)
    return sheets.entry_state(tx, target, semester, request_id)


def students_of(state: EntryState, names: Sequence[str]) -> list[int]:
    """Ids of the students that rows name.

    Raises Invalid STUDENT_UNKNOWN, STUDENT_LEFT, DUPLICATE_STUDENT.
    """
    seen: set[int] = set()
    violations: list[Violation] = []
    ids = [
        sheet_rules.read_student(name, state.students, seen, f"rows[{index}].student", violations, left=state.left)
        for index, name in enumerate(names)
    ]
    refuse(violations)
    return [student for student in ids if student is not None]


def check_marks_open(state: EntryState, columns: Collection[int], semester: int) -> None:
    """Raises as `check_open` for marks of a semester. columns: numbers."""
    kinds = {column_kind(number) for number in columns}
    check_open(state, kinds, Stage.AFTER_SUMMER if MarkKind.REASSESSMENT in kinds else semester)


def check_open(state: EntryState, kinds: set[MarkKind], first_stage: int) -> None:
    """Raises Rejected WINDOW_CLOSED unless windows cover all kinds now, BOOK_LOCKED when a book
    holds the data.

    kinds: empty for what is no mark, which any open window but the summer's lets in. first_stage:
    the first whose book holds the data; for that of the summer raises YEAR_NOT_LOCKED until the
    book of the whole year is locked.
    """
    closed = kinds - state.open_kinds
    if closed or not (kinds or state.open_kinds - {MarkKind.REASSESSMENT}):
        names = ",".join(sorted(MarkKind(kind).name for kind in closed))
        raise Rejected("WINDOW_CLOSED", "Không trong thời hạn nhập điểm.", mark_kinds=names)
    check_free(state.books, first_stage)
    if first_stage == Stage.AFTER_SUMMER and not any(
        (book.record_type, book.stage) == (RecordType.CLASS_BOOK, Stage.WHOLE_YEAR) and book.state in READ_ONLY
        for book in state.books
    ):
        raise Rejected("YEAR_NOT_LOCKED", "Phải khóa sổ cả năm của lớp trước khi nhập kết quả sau kì nghỉ hè.")


def check_free(books: Sequence[BookStage], first_stage: int) -> None:
    """Raises Rejected BOOK_LOCKED when a book of the stage or a later one holds the data.

    books: those alive.
    """
    holding = [book.state for book in books if book.stage >= first_stage]
    if holding:
        furthest = BookState(max(holding))
        message = "Dữ liệu đã khóa sổ." if furthest in READ_ONLY else "Sổ của lớp đã chốt dữ liệu và đang hoàn thiện."
        raise Rejected("BOOK_LOCKED", message, book_state=furthest.name)
