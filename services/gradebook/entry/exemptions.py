"""Exemption from the practical part of a subject: recorded by the principal, shown beside the marks.

An exemption takes no assessment away: the practical ones are replaced by theory so that their number is reached (TT
22/2021 Điều 10), so a mark of an exempt student is entered as any other and a missing one stays missing.
"""

from collections.abc import Sequence

from services.common.db import Database
from services.common.errors import Conflict, NotFound, Rejected
from services.common.identity import Caller
from services.gradebook.entry.acts import Request, find_target
from services.gradebook.entry.store import class_data, exemptions
from services.gradebook.entry.store.exemptions import Decision, DecisionRow
from services.gradebook.model import roster_rules
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import PRACTICAL_SUBJECTS, ClassRef, Semester
from services.gradebook.model.permissions import Permission
from services.gradebook.roster import access, year_lock


def record_practical_exemption(
    database: Database,
    caller: Caller,
    request: Request,
    ref: ClassRef,
    subject: str,
    student: str,
    semesters: Sequence[int],
    decision: str,
    *,
    withdrawn: bool,
) -> None:
    """Record that a student is exempt in the semesters by a decision, or is so no longer (principal).

    Raises Invalid; Forbidden ROLE_REQUIRED; NotFound CLASS_UNKNOWN, SUBJECT_UNKNOWN, STUDENT_UNKNOWN; Rejected
    NO_PRACTICAL_PART, NOT_EXEMPT; Conflict REQUEST_ID_REUSED.
    """
    _check(ref, subject, semesters, decision)
    with database.transaction() as tx:
        year = access.year(tx, caller, ref.school, ref.school_year)
        person = access.require(tx, caller, year, Permission.RECORD_EXEMPTION).person
        target = find_target(tx, caller, ref, subject)
        year_lock.hold_year(tx, year.id)
        earlier = exemptions.request_sha256(tx, request.id)
        if earlier is not None:
            if earlier != request.sha256:
                message = "Mã yêu cầu (request_id) đã dùng cho một yêu cầu khác."
                raise Conflict("REQUEST_ID_REUSED", message, request_id=request.id, client=caller.client)
            return
        if subject not in PRACTICAL_SUBJECTS:
            message = "Chỉ miễn phần thực hành của môn Giáo dục thể chất và Giáo dục quốc phòng và an ninh."
            raise Rejected("NO_PRACTICAL_PART", message, subject=subject)
        assert target.class_id is not None
        assert target.subject_id is not None
        student_id = class_data.student_ids(tx, target.class_id).get(student)
        if student_id is None:
            raise NotFound("STUDENT_UNKNOWN", "Không có học sinh mang mã này trong lớp.", student=student)
        standing = exemptions.standing(tx, [target.class_id]).get(target.class_id, frozenset())
        if withdrawn and not all((target.subject_id, one, student_id) in standing for one in semesters):
            raise Rejected("NOT_EXEMPT", "Học sinh không được miễn trong học kì đã nêu.", student=student)
        exemptions.add(
            tx,
            Decision(
                request.id,
                request.sha256,
                target.class_id,
                target.subject_id,
                student_id,
                sorted(semesters),
                withdrawn,
                decision,
                person,
                caller.client,
            ),
        )
        access.record(
            tx,
            caller,
            ref.school,
            "PRACTICAL_EXEMPTION_WITHDRAWN" if withdrawn else "PRACTICAL_EXEMPTION_RECORDED",
            ref.resource,
            request=request.id,
            student=student,
            subject=subject,
            semesters=",".join(map(str, sorted(semesters))),
        )


def list_practical_exemptions(database: Database, caller: Caller, ref: ClassRef) -> list[DecisionRow]:
    """Every decision about the students of a class, oldest first."""
    roster_rules.check_class_ref(ref)
    with database.transaction() as tx:
        _, found = access.school_class(tx, caller, ref)
        return exemptions.of_class(tx, found.id)


def _check(ref: ClassRef, subject: str, semesters: Sequence[int], decision: str) -> None:
    roster_rules.check_class_ref(ref)
    found = Findings()
    found.subject_code("subject", subject)
    if found.count("semesters", len(semesters), 1, len(Semester)):
        for index, one in enumerate(semesters):
            found.one_of(f"semesters[{index}]", one, set(Semester))
        found.unique("semesters", semesters, "Một học kì có hai lần.")
    found.text("decision", decision, shortest=5, longest=200)
    found.refuse()
