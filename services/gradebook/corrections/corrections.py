"""Requesting corrections of data whose window is closed, and reading them; see also `decisions`."""

import uuid

from services.common.db import Database, Tx
from services.common.errors import NotFound, Rejected
from services.common.identity import Caller
from services.gradebook.corrections import correctable, corrected_books
from services.gradebook.corrections.correctable import FIELDS, PlannedCorrection, WantedCorrection
from services.gradebook.entry import acts, allowed, settled
from services.gradebook.entry.store import corrections
from services.gradebook.entry.store.corrections import CorrectionRow, NewCorrection
from services.gradebook.model import attendance_rules, roster_rules
from services.gradebook.model import correction_rules as rules
from services.gradebook.model.acts import DIGEST_VERSION, EntryRequest
from services.gradebook.model.checks import Findings
from services.gradebook.model.correction_rules import CorrectionKind, CorrectionState
from services.gradebook.model.domain import PROTO_LEVELS, ClassRef, Semester
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.roster import access

REASON_LENGTHS = (10, 300)
"""Fewest and most characters; the list of corrections in books has no room for more."""

_WORDS = {
    "subject": "môn học",
    "semester": "học kì",
    "column": "cột điểm cần sửa",
    "new_value": "giá trị mới; dấu “-” để rút điểm",
    "new_level": "mức rèn luyện mới",
    "new_absences": "tổng số buổi nghỉ mới, có phép và không phép",
    "month": "tháng của bảng điểm danh",
    "sessions": "các buổi cần sửa",
}


def request_correction(
    database: Database, caller: Caller, request: EntryRequest, wanted: WantedCorrection
) -> CorrectionRow:
    """Request another value (of a mark: the subject's teacher; else the homeroom teacher).

    Raises Invalid, also UNCHANGED; Forbidden NOT_ASSIGNED, ROLE_REQUIRED; Rejected WINDOW_OPEN,
    WINDOW_CLOSING, WINDOW_NOT_CLOSED, BOOK_LOCKED, CORRECTION_OPEN, ATTENDANCE_KEPT,
    ATTENDANCE_NOT_KEPT, SCHOOL_NOT_AUTHORISED; Conflict REQUEST_ID_REUSED.
    """
    _check(wanted)
    with database.transaction() as tx:
        target = correctable.find_target(tx, caller, wanted)
        semester = correctable.semester_of(wanted)
        state = allowed.open_state(tx, target, semester, request.id)
        if state.earlier:
            acts.repeat(state.earlier, {EntryKind.CORRECTION_REQUEST}, request, caller)
            return corrections.by_request(tx, request.id)
        planned = correctable.read(tx, target, state, wanted)
        settled.check_correctable(tx, target.year_id, wanted.ref.school_year, planned.datum)
        corrected_books.check(corrected_books.holding(tx, planned.datum, wanted.ref.school_year))
        return _add(tx, caller, request, wanted, planned)


def get_correction(database: Database, caller: Caller, correction_id: str) -> CorrectionRow:
    """A correction. Raises NotFound CORRECTION_UNKNOWN."""
    with database.transaction() as tx:
        return find(tx, caller, correction_id)


def list_corrections(
    database: Database,
    caller: Caller,
    *,
    school: str,
    school_year: str,
    class_name: str,
    state: int,
    after: int,
    limit: int,
) -> list[CorrectionRow]:
    """A page of the corrections of a year, oldest first. Raises NotFound CLASS_UNKNOWN.

    class_name: empty for all classes. state: 0 for all. after: number of the last correction of the
    page before, or 0.
    """
    roster_rules.check_year_ref(school, school_year)
    findings = Findings()
    if state:
        findings.one_of("state", state, set(CorrectionState))
    findings.refuse()
    with database.transaction() as tx:
        class_id = None
        if class_name:
            ref = ClassRef(school, school_year, class_name)
            roster_rules.check_class_ref(ref)
            year, school_class = access.school_class(tx, caller, ref)
            class_id = school_class.id
        else:
            year = access.year(tx, caller, school, school_year)
        return corrections.list_corrections(
            tx, year.id, class_id=class_id, state=state or None, after=after, limit=limit
        )


def find(tx: Tx, caller: Caller, correction_id: str, *, lock: bool = False) -> CorrectionRow:
    """A correction that the caller's vendor may see.

    lock: hold its row until commit. Raises NotFound CORRECTION_UNKNOWN, Forbidden.
    """
    try:
        key = uuid.UUID(correction_id)
    except ValueError:
        key = None
    row = corrections.find_correction(tx, key, lock=lock) if key else None
    if row is None:
        raise NotFound("CORRECTION_UNKNOWN", "Không có đề nghị sửa này.")
    access.year(tx, caller, row.school, row.school_year)
    return row


def _check(wanted: WantedCorrection) -> None:
    roster_rules.check_class_ref(wanted.ref)
    findings = Findings()
    findings.one_of("kind", wanted.kind, set(CorrectionKind))
    findings.refuse()
    _check_fields(findings, wanted)
    if wanted.subject:
        findings.subject_code("subject", wanted.subject)
    if wanted.semester:
        findings.one_of("semester", wanted.semester, set(Semester))
    if wanted.new_level:
        findings.one_of("new_level", wanted.new_level, PROTO_LEVELS)
    if wanted.new_absences is not None:
        attendance_rules.check_totals(findings, "new_absences", *wanted.new_absences)
    if wanted.month:
        attendance_rules.check_month(
            findings, "month", wanted.month, wanted.ref.school_year, attendance_rules.LAST_MONTH
        )
    if wanted.sessions:
        findings.count("sessions", len(wanted.sessions), 1, attendance_rules.MAX_SESSIONS)
    for index, session in enumerate(wanted.sessions):
        findings.one_of(f"sessions[{index}].new", session.value, attendance_rules.SAID)
    findings.text("reason", wanted.reason, shortest=REASON_LENGTHS[0], longest=REASON_LENGTHS[1])
    findings.text("evidence.description", wanted.evidence, longest=300)
    if len(wanted.evidence_sha256) not in {0, 32}:
        findings.add("evidence.sha256", "LENGTH", "Mã băm SHA-256 phải có 32 byte, hoặc để trống.")
    findings.refuse()


def _check_fields(findings: Findings, wanted: WantedCorrection) -> None:
    """A kind needs its fields and takes no others, which would be lost silently."""
    needed = FIELDS[wanted.kind]
    for name, words in _WORDS.items():
        given = getattr(wanted, name) not in ("", 0, None, ())
        if name in needed and not given:
            findings.add(name, "REQUIRED", f"Phải nêu {words}.")
        elif given and name not in needed:
            findings.add(name, "NOT_ALLOWED", "Trường này không đi cùng loại dữ liệu cần sửa.")


def _add(
    tx: Tx, caller: Caller, request: EntryRequest, wanted: WantedCorrection, planned: PlannedCorrection
) -> CorrectionRow:
    datum = planned.datum
    open_correction = corrections.open_at(tx, datum)
    if open_correction is not None:
        message = "Dữ liệu này đang có một đề nghị sửa chưa được giải quyết."
        raise Rejected("CORRECTION_OPEN", message, correction=open_correction)
    new = NewCorrection(
        uuid.uuid4(),
        datum,
        rules.first_stage(datum, wanted.ref.school_year),
        planned.version,
        planned.changes,
        wanted.evidence,
        wanted.evidence_sha256 or None,
    )
    act = acts.new_act(request, EntryKind.CORRECTION_REQUEST, datum.class_id, caller, reason=wanted.reason)
    digest = corrections.add(tx, act, new)
    # The days on which a child was absent stay out of the audit chain (ADR-0038).
    access.record(
        tx,
        caller,
        wanted.ref.school,
        "CORRECTION_REQUESTED",
        f"corrections/{new.id}",
        school_class=wanted.ref.resource,
        kind=datum.kind.name,
        subject=wanted.subject,
        semester=datum.semester or 0,
        column=datum.column,
        month=datum.month,
        old_version=planned.version,
        evidence_sha256=wanted.evidence_sha256.hex(),
        request=request.id,
        correction_sha256=digest,
        digest_version=DIGEST_VERSION,
    )
    return corrections.correction(tx, new.id)
