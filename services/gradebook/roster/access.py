"""Who may act where: the vendor of the school year, and the roles of the person in the school."""

from collections.abc import Mapping

from services.common import audit, identity
from services.common.audit import AuditRow
from services.common.db import Tx
from services.common.errors import Forbidden, NotFound, Rejected
from services.common.identity import Caller
from services.gradebook.model import permissions
from services.gradebook.model.domain import Authority, ClassRef, School
from services.gradebook.model.permissions import Permission
from services.gradebook.roster import roster_store
from services.gradebook.roster.roster_store import ClassRow, StaffRow, YearRow


def check_vendor(caller: Caller, school: str, vendor: str, authority: int) -> None:
    """Check that the caller's vendor and token are of this school.

    Services and operators pass: the access table of the RPC has decided already.

    vendor, authority: of the school year; authority is an Authority.
    Raises Forbidden as `identity.check_vendor` and `identity.check_school`.
    """
    calling = identity.vendor_of(caller.client)
    if calling is not None:
        suspended = authority == Authority.VENDOR_SUSPENDED
        identity.check_vendor(caller.client, school, serves=calling == vendor, suspended=suspended)
    identity.check_school(caller, school)


def check_authorised(school: str, school_year: str, authority: int) -> None:
    """The only check of authorisation before entry, print and archive.

    HCMC 3260/GDĐT-GDTrH mục 1, 3368/GDĐT-TrH; ADR-0042. authority: Authority of the year, read in
    the same transaction. Raises Rejected SCHOOL_NOT_AUTHORISED.
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
    known = roster_store.school(tx, code)
    if known is None:
        raise NotFound("SCHOOL_UNKNOWN", "Chưa có trường này.", school=code)
    return known


def year(tx: Tx, caller: Caller, school: str, name: str) -> YearRow:
    """A school year that the caller may act in.

    Raises NotFound SCHOOL_YEAR_UNKNOWN, and Forbidden as check_vendor.
    """
    year_row = roster_store.year(tx, school, name)
    if year_row is None:
        raise NotFound("SCHOOL_YEAR_UNKNOWN", "Chưa có năm học này của trường.", school=school, school_year=name)
    check_vendor(caller, school, year_row.vendor, year_row.authority)
    return year_row


def some_year(tx: Tx, caller: Caller, school: str) -> YearRow:
    """One of a school's two newest years that the caller may act in, for data of no year, such as
    people.

    Two, because the next year may be opened with another vendor before the books of this one are
    archived. Raises NotFound SCHOOL_UNKNOWN, and Forbidden as check_vendor.
    """
    newest = roster_store.newest_years(tx, school, 2)
    if not newest:
        raise NotFound("SCHOOL_UNKNOWN", "Chưa có trường này, hoặc trường chưa mở năm học nào.", school=school)
    calling = identity.vendor_of(caller.client)
    own_year = next((year_row for year_row in newest if year_row.vendor == calling), newest[0])
    check_vendor(caller, school, own_year.vendor, own_year.authority)
    return own_year


def school_class(tx: Tx, caller: Caller, ref: ClassRef) -> tuple[YearRow, ClassRow]:
    """A class that the caller may act in. Raises NotFound CLASS_UNKNOWN, and what `year` raises."""
    year_row = year(tx, caller, ref.school, ref.school_year)
    class_row = roster_store.school_class(tx, year_row.id, ref.name)
    if class_row is None:
        raise class_unknown(ref)
    return year_row, class_row


def class_unknown(ref: ClassRef) -> NotFound:
    """The refusal for a class that does not exist."""
    return NotFound("CLASS_UNKNOWN", "Không có lớp này trong năm học.", school_class=ref.name)


def subject_unknown(code: str) -> NotFound:
    """The refusal for a subject that the grade does not have."""
    return NotFound("SUBJECT_UNKNOWN", "Khối lớp này không có môn học đã nêu.", subject=code)


def staff(tx: Tx, caller: Caller, year_row: YearRow) -> StaffRow:
    """The acting person in the school's staff.

    Raises Forbidden PERSON_UNKNOWN, and what `identity.person` raises.
    """
    person_id = identity.person(caller, year_row.school)
    row = roster_store.staff(tx, year_row.school_id, [person_id]).get(person_id)
    if row is None:
        raise Forbidden("PERSON_UNKNOWN", "Người thực hiện chưa có trong danh sách của trường.", person=person_id)
    return row


def require(tx: Tx, caller: Caller, year_row: YearRow, permission: Permission) -> StaffRow:
    """The acting person, if one of their roles has the permission.

    Raises Forbidden with the reason of the table of permissions, and what `staff` raises.
    """
    row = staff(tx, caller, year_row)
    permissions.check(permission, permissions.capacities(row.roles), person=row.person)
    return row


def record(tx: Tx, caller: Caller, school: str, action: str, resource: str, /, **facts: object) -> int:
    """Append an audit row to the school's chain and return its number there.

    Call it last in the transaction: writers to a chain wait for one another until commit.
    """
    return audit.append(tx, school_record(caller, school, action, resource, **facts))


def school_record(caller: Caller, school: str, action: str, resource: str, /, **facts: object) -> AuditRow:
    """The audit row that `record` appends, for `audit.appending`."""
    return AuditRow(f"school/{school}", action, resource, _texts(facts), caller)


def record_department(tx: Tx, caller: Caller, action: str, resource: str, /, **facts: object) -> None:
    """Append an audit row to the Department's chain, for what belongs to no school; last in the
    transaction.
    """
    audit.append(tx, AuditRow("department", action, resource, _texts(facts), caller))


def _texts(facts: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in facts.items()}
