"""The class and subject that a call of entry names, and whether the caller is their teacher."""

from services.common import identity
from services.common.db import Tx
from services.common.errors import NotFound
from services.common.identity import Caller
from services.gradebook.entry.store import sheets
from services.gradebook.entry.store.sheets import Target
from services.gradebook.model.domain import ClassRef
from services.gradebook.model.permissions import Actor, Permission, check
from services.gradebook.roster import access


def find_target(tx: Tx, caller: Caller, ref: ClassRef, subject: str | None) -> Target:
    """The class and subject that a call names, which the caller's vendor must serve.

    Raises NotFound SCHOOL_YEAR_UNKNOWN, CLASS_UNKNOWN, SUBJECT_UNKNOWN; Forbidden as
    `access.check_vendor`.
    """
    target = sheets.find_target(tx, ref.school, ref.school_year, ref.name, subject=subject, person=caller.person)
    return _check(caller, ref, subject, target)


def check_teacher(caller: Caller, ref: ClassRef, subject: str, target: Target | None, permission: Permission) -> Target:
    """What the names of a call stand for, unless the caller, who may teach the subject there, lacks
    the permission.

    Raises as find_target; Forbidden NOT_ASSIGNED; Rejected SCHOOL_NOT_AUTHORISED.
    """
    known = _check(caller, ref, subject, target)
    actors = {Actor.ASSIGNED_TEACHER} if known.assigned else set()
    check(permission, actors, person=caller.person, school_class=ref.name, subject=subject)
    access.check_authorised(ref.school, ref.school_year, known.authority)
    return known


def subject_target(tx: Tx, caller: Caller, ref: ClassRef, subject: str, permission: Permission) -> Target:
    """The class and subject, for which the acting person must have the permission.

    Raises as check_teacher and `identity.person`.
    """
    identity.person(caller, ref.school)
    target = sheets.find_target(tx, ref.school, ref.school_year, ref.name, subject=subject, person=caller.person)
    return check_teacher(caller, ref, subject, target, permission)


def homeroom_target(tx: Tx, caller: Caller, ref: ClassRef, permission: Permission) -> Target:
    """The class, for which the acting person, who may be its homeroom teacher, must have the
    permission.

    Raises as find_target and `identity.person`; Forbidden ROLE_REQUIRED; Rejected
    SCHOOL_NOT_AUTHORISED.
    """
    person = identity.person(caller, ref.school)
    target = find_target(tx, caller, ref, None)
    actors = {Actor.HOMEROOM_TEACHER} if target.homeroom_person == person else set()
    check(permission, actors, person=person, school_class=ref.name)
    access.check_authorised(ref.school, ref.school_year, target.authority)
    return target


def _check(caller: Caller, ref: ClassRef, subject: str | None, target: Target | None) -> Target:
    if target is None:
        raise NotFound(
            "SCHOOL_YEAR_UNKNOWN", "Chưa có năm học này của trường.", school=ref.school, school_year=ref.school_year
        )
    access.check_vendor(caller, ref.school, target.vendor, target.authority)
    if target.class_id is None:
        raise access.class_unknown(ref)
    if subject is not None and target.subject_id is None:
        raise access.subject_unknown(subject)
    return target
