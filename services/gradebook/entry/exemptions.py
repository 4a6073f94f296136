"""Exemption from the practical part of a subject: recorded by the principal, shown with the marks.

An exemption takes no assessment away: the practical ones are replaced by theory so that their
number is reached (TT 22/2021 Điều 10), so a mark of an exempt student is entered as any other and a
missing one stays missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.common.db import Database, Tx
from services.common.errors import NotFound, Rejected
from services.common.identity import Caller
from services.gradebook.entry import acts, targets
from services.gradebook.entry.store import class_data, exemptions
from services.gradebook.entry.store.exemptions import DecisionRow, Exemption
from services.gradebook.entry.store.sheets import Target
from services.gradebook.model import roster_rules
from services.gradebook.model.acts import DIGEST_VERSION, EntryRequest
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import PRACTICAL_SUBJECTS, ClassRef, Semester
from services.gradebook.model.entry_kinds import EntryKind
from services.gradebook.model.permissions import Permission
from services.gradebook.roster import access, year_lock


@dataclass(frozen=True, slots=True)
class ExemptionEntry:
    """What the principal decided.

    student: moet_student_id; withdrawn: the student is exempt no longer.
    """

    subject: str
    student: str
    semesters: Sequence[int]
    decision: str
    withdrawn: bool


def record_practical_exemption(
    database: Database, caller: Caller, request: EntryRequest, ref: ClassRef, entry: ExemptionEntry
) -> None:
    """Record that a student is exempt in the semesters by a decision, or is so no longer
    (principal).

    Raises Invalid; Forbidden ROLE_REQUIRED; NotFound CLASS_UNKNOWN, SUBJECT_UNKNOWN,
    STUDENT_UNKNOWN; Rejected NO_PRACTICAL_PART, NOT_EXEMPT; Conflict REQUEST_ID_REUSED.
    """
    _check(ref, entry)
    with database.transaction() as tx:
        year = access.year(tx, caller, ref.school, ref.school_year)
        access.require(tx, caller, year, Permission.RECORD_EXEMPTION)
        target = targets.find_target(tx, caller, ref, entry.subject)
        year_lock.hold_year(tx, year.id)
        if acts.earlier_answer(tx, request, EntryKind.EXEMPTION, caller) is not None:
            return
        exemption = _read(tx, target, entry)
        act = acts.new_act(request, EntryKind.EXEMPTION, target.class_id, caller)
        (digest,) = exemptions.write(tx, [(act, exemption)])
        access.record(
            tx,
            caller,
            ref.school,
            "PRACTICAL_EXEMPTION_WITHDRAWN" if entry.withdrawn else "PRACTICAL_EXEMPTION_RECORDED",
            ref.resource,
            request=request.id,
            student=entry.student,
            subject=entry.subject,
            semesters=",".join(map(str, exemption.semesters)),
            exemption_sha256=digest,
            digest_version=DIGEST_VERSION,
        )


def list_practical_exemptions(database: Database, caller: Caller, ref: ClassRef) -> list[DecisionRow]:
    """Every decision about the students of a class, oldest first."""
    roster_rules.check_class_ref(ref)
    with database.transaction() as tx:
        _, school_class = access.school_class(tx, caller, ref)
        return exemptions.of_class(tx, school_class.id)


def _check(ref: ClassRef, entry: ExemptionEntry) -> None:
    roster_rules.check_class_ref(ref)
    findings = Findings()
    findings.subject_code("subject", entry.subject)
    if findings.count("semesters", len(entry.semesters), 1, len(Semester)):
        for index, semester in enumerate(entry.semesters):
            findings.one_of(f"semesters[{index}]", semester, set(Semester))
        findings.unique("semesters", entry.semesters, "Một học kì có hai lần.")
    findings.text("decision", entry.decision, shortest=5, longest=200)
    findings.refuse()


def _read(tx: Tx, target: Target, entry: ExemptionEntry) -> Exemption:
    """The decision with what it names.

    Raises NotFound STUDENT_UNKNOWN; Rejected NO_PRACTICAL_PART, NOT_EXEMPT.
    """
    if entry.subject not in PRACTICAL_SUBJECTS:
        message = "Chỉ miễn phần thực hành của môn Giáo dục thể chất và Giáo dục quốc phòng và an ninh."
        raise Rejected("NO_PRACTICAL_PART", message, subject=entry.subject)
    assert target.class_id is not None
    assert target.subject_id is not None
    student_id = class_data.student_ids(tx, target.class_id).get(entry.student)
    if student_id is None:
        raise NotFound("STUDENT_UNKNOWN", "Không có học sinh mang mã này trong lớp.", student=entry.student)
    in_force = exemptions.in_force(tx, [target.class_id]).get(target.class_id, frozenset())
    cells = {(target.subject_id, semester, student_id) for semester in entry.semesters}
    if entry.withdrawn and not cells <= in_force:
        raise Rejected("NOT_EXEMPT", "Học sinh không được miễn trong học kì đã nêu.", student=entry.student)
    return Exemption(target.subject_id, student_id, sorted(entry.semesters), entry.withdrawn, entry.decision)
