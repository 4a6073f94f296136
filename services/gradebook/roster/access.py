"""Who may act where: the vendor of the school year, and the person's place in the school."""

from collections.abc import Mapping

from services.common import audit
from services.common.audit import Record
from services.common.db import Tx
from services.common.errors import Forbidden, NotFound, Rejected, Unauthenticated
from services.common.identity import Caller
from services.gradebook.model import permissions
from services.gradebook.model.domain import Authority, ClassRef, School
from services.gradebook.model.permissions import Permission
from services.gradebook.roster import roster_store
from services.gradebook.roster.roster_store import ClassRow, StaffRow, YearRow

VENDOR = "vendor/"


def check_vendor(caller: Caller, school: str, vendor: str, authority: int) -> None:
    """A vendor acts only for the schools that chose it and while the Department lets it; a token is for one school.

    Services and operators are let through; the access table has already decided which RPC they may call. authority:
    Authority of the year. Raises Forbidden VENDOR_NOT_AUTHORISED, VENDOR_SUSPENDED, WRONG_SCHOOL.
    """
    if caller.client.startswith(VENDOR) and caller.client != VENDOR + vendor:
        raise Forbidden(
            "VENDOR_NOT_AUTHORISED",
            "Phần mềm này không được phép dùng cho trường và năm học đã nêu.",
            client=caller.client,
            school=school,
        )
    if caller.client.startswith(VENDOR) and authority == Authority.VENDOR_SUSPENDED:
        message = "Phần mềm này đang bị Sở Giáo dục và Đào tạo đình chỉ sử dụng."
        raise Forbidden("VENDOR_SUSPENDED", message, client=caller.client, school=school)
    if caller.person is not None and caller.school != school:
        raise Forbidden("WRONG_SCHOOL", "Người thực hiện không thuộc trường này.", school=school)


def check_authorised(school: str, school_year: str, authority: int) -> None:
    """The one gate before entry, print and archive (HCMC 3260/GDĐT-GDTrH mục 1, 3368/GDĐT-TrH; ADR-0042).

    authority: Authority of the year, read with the year. Raises Rejected SCHOOL_NOT_AUTHORISED.
    """
    if authority != Authority.GRANTED:
        raise Rejected(
            "SCHOOL_NOT_AUTHORISED",
            "Trường chưa được Sở Giáo dục và Đào tạo cho phép dùng sổ điện tử trong năm học này: hãy lập hồ sơ gồm đủ"
            " 8 mục và nộp về Sở; chỉ được nhập điểm, in và lưu trữ sau khi hồ sơ được duyệt.",
            school=school,
            school_year=school_year,
        )


def school(tx: Tx, code: str) -> tuple[int, School]:
    """A school by its code, with its id. Raises NotFound SCHOOL_UNKNOWN."""
    found = roster_store.school(tx, code)
    if found is None:
        raise NotFound("SCHOOL_UNKNOWN", "Chưa có trường này.", school=code)
    return found


def year(tx: Tx, caller: Caller, school: str, name: str) -> YearRow:
    """A school year that the caller may act in.

    Raises NotFound SCHOOL_YEAR_UNKNOWN, and Forbidden as check_vendor.
    """
    found = roster_store.year(tx, school, name)
    if found is None:
        raise NotFound("SCHOOL_YEAR_UNKNOWN", "Chưa có năm học này của trường.", school=school, school_year=name)
    check_vendor(caller, school, found.vendor, found.authority)
    return found


def some_year(tx: Tx, caller: Caller, school: str) -> YearRow:
    """One of a school's two newest years that the caller may act in, for what belongs to no year, such as people.

    Two, because the next year may be opened with another vendor while the books of this one are still on their way.
    Raises NotFound SCHOOL_UNKNOWN, and Forbidden as check_vendor.
    """
    found = roster_store.newest_years(tx, school, 2)
    if not found:
        raise NotFound("SCHOOL_UNKNOWN", "Chưa có trường này, hoặc trường chưa mở năm học nào.", school=school)
    chosen = next((one for one in found if caller.client == VENDOR + one.vendor), found[0])
    check_vendor(caller, school, chosen.vendor, chosen.authority)
    return chosen


def school_class(tx: Tx, caller: Caller, ref: ClassRef) -> tuple[YearRow, ClassRow]:
    """A class that the caller may act in. Raises NotFound CLASS_UNKNOWN, and what `year` raises."""
    found_year = year(tx, caller, ref.school, ref.school_year)
    found = roster_store.school_class(tx, found_year.id, ref.name)
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
    row = roster_store.staff(tx, found.school_id, [name]).get(name)
    if row is None:
        raise Forbidden("PERSON_UNKNOWN", "Người thực hiện chưa có trong danh sách của trường.", person=name)
    return row


def require(tx: Tx, caller: Caller, found: YearRow, permission: Permission) -> StaffRow:
    """The acting person, one of whose roles has the permission.

    Raises Forbidden ROLE_REQUIRED, and what `staff` raises.
    """
    row = staff(tx, caller, found)
    permissions.check(permission, permissions.capacities(row.roles), person=row.person)
    return row


def record(tx: Tx, caller: Caller, school: str, action: str, resource: str, /, **facts: object) -> int:
    """Leave an audit row in the school's chain; last in the transaction, because writers to a chain wait in turn.

    Returns its number in the chain.
    """
    return audit.append(tx, school_record(caller, school, action, resource, **facts))


def school_record(caller: Caller, school: str, action: str, resource: str, /, **facts: object) -> Record:
    """The audit row that `record` leaves, for `audit.appending`."""
    return Record(f"school/{school}", action, resource, _texts(facts), caller)


def record_department(tx: Tx, caller: Caller, action: str, resource: str, /, **facts: object) -> None:
    """Leave an audit row in the Department's own chain, for what belongs to no school; last in the transaction."""
    audit.append(tx, audit.Record("department", action, resource, _texts(facts), caller))


def _texts(facts: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in facts.items()}
