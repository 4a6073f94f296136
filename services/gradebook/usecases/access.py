"""Who may act where: the vendor of the school year, and the person's place in the school."""

from services.common import audit
from services.common.db import Tx
from services.common.errors import Forbidden, NotFound, Unauthenticated
from services.common.identity import Caller
from services.gradebook.domain import ClassRef
from services.gradebook.store import roster
from services.gradebook.store.roster import ClassRow, StaffRow, YearRow

VENDOR = "vendor/"


def check_vendor(caller: Caller, school: str, vendor: str) -> None:
    """A vendor acts only for the schools that chose it, and a person's token is good for one school.

    Services and operators are let through; the access table has already decided which RPC they may call. Raises
    Forbidden VENDOR_NOT_AUTHORISED, WRONG_SCHOOL.
    """
    if caller.client.startswith(VENDOR) and caller.client != VENDOR + vendor:
        raise Forbidden(
            "VENDOR_NOT_AUTHORISED",
            "Phần mềm này không được phép dùng cho trường và năm học đã nêu.",
            client=caller.client,
            school=school,
        )
    if caller.person is not None and caller.school != school:
        raise Forbidden("WRONG_SCHOOL", "Người thực hiện không thuộc trường này.", school=school)


def year(tx: Tx, caller: Caller, school: str, name: str) -> YearRow:
    """A school year that the caller may act in.

    Raises NotFound SCHOOL_YEAR_UNKNOWN, and Forbidden as check_vendor.
    """
    found = roster.year(tx, school, name)
    if found is None:
        raise NotFound("SCHOOL_YEAR_UNKNOWN", "Chưa có năm học này của trường.", school=school, school_year=name)
    check_vendor(caller, school, found.vendor)
    return found


def some_year(tx: Tx, caller: Caller, school: str) -> YearRow:
    """One of a school's two newest years that the caller may act in, for what belongs to no year, such as people.

    Two, because the next year may be opened with another vendor while the books of this one are still on their way.
    Raises NotFound SCHOOL_UNKNOWN, and Forbidden as check_vendor.
    """
    found = roster.newest_years(tx, school, 2)
    if not found:
        raise NotFound("SCHOOL_UNKNOWN", "Chưa có trường này, hoặc trường chưa mở năm học nào.", school=school)
    chosen = next((one for one in found if caller.client == VENDOR + one.vendor), found[0])
    check_vendor(caller, school, chosen.vendor)
    return chosen


def school_class(tx: Tx, caller: Caller, ref: ClassRef) -> tuple[YearRow, ClassRow]:
    """A class that the caller may act in. Raises NotFound CLASS_UNKNOWN, and what `year` raises."""
    found_year = year(tx, caller, ref.school, ref.school_year)
    found = roster.school_class(tx, found_year.id, ref.name)
    if found is None:
        raise class_unknown(ref)
    return found_year, found


def class_unknown(ref: ClassRef) -> NotFound:
    """The refusal of a class that does not exist."""
    return NotFound("CLASS_UNKNOWN", "Không có lớp này trong năm học.", school_class=ref.name)


def subject_unknown(code: str) -> NotFound:
    """The refusal of a subject that the grade does not have."""
    return NotFound("SUBJECT_UNKNOWN", "Khối lớp này không có môn học đã nêu.", subject=code)


def person(caller: Caller, school: str) -> str:
    """The acting person. Raises Unauthenticated PERSON_REQUIRED, Forbidden WRONG_SCHOOL."""
    if caller.person is None:
        raise Unauthenticated("PERSON_REQUIRED", "Cần mã xác thực của người thực hiện (authorization: Bearer …).")
    if caller.school != school:
        raise Forbidden("WRONG_SCHOOL", "Người thực hiện không thuộc trường này.", school=school)
    return caller.person


def staff(tx: Tx, caller: Caller, found: YearRow) -> StaffRow:
    """The acting person's place in the school. Raises Forbidden PERSON_UNKNOWN, and what `person` raises."""
    name = person(caller, found.school)
    row = roster.staff(tx, found.school_id, [name]).get(name)
    if row is None:
        raise Forbidden("PERSON_UNKNOWN", "Người thực hiện chưa có trong danh sách của trường.", person=name)
    return row


def role(tx: Tx, caller: Caller, found: YearRow, needed: int, words: str) -> StaffRow:
    """The acting person, who must have a role. Raises Forbidden ROLE_REQUIRED, and what `staff` raises."""
    row = staff(tx, caller, found)
    if needed not in row.roles:
        raise Forbidden("ROLE_REQUIRED", f"Việc này chỉ dành cho: {words}.", person=row.person)
    return row


def record(tx: Tx, caller: Caller, school: str, action: str, resource: str, /, **facts: object) -> None:
    """Leave an audit row in the school's chain; last in the transaction, because writers to a chain wait in turn."""
    texts = {name: str(value) for name, value in facts.items()}
    audit.append(tx, f"school/{school}", action, resource, texts, caller)
