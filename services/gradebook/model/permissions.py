"""Who may do what in gradebook: the one table of permissions, its words and its sources. Pure.

Every act that changes data is a `Permission`, whose `Grant` says who may do it and what a refusal
says. Use cases bring facts (the roles that a person holds, whether they are the homeroom teacher of
this class) as a set of `Actor` and call `check`; none of them names a role of a school. The access
tables of the RPCs take their clients from the same rows (`api/act_access.py`). `hoso permissions`
prints the table (ADR-0056).

Not here: reading, which the access table of each service grants to clients; the use of a key, which
signing grants to its keeper; whether the state of things allows an act, which life cycles say.
"""

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, unique

from services.common.errors import Forbidden
from services.gradebook.model.catalogue import PREPARERS, TITLES, Preparer, SignatoryRole
from services.gradebook.model.domain import RecordType, Role


class Actor(Enum):
    """In which capacity someone acts, and the word for it in refusals; a person may have several.

    First the roles of a school, named as in `Role`; then relations to a class, a book or a
    correction; then those who act without a person.
    """

    PRINCIPAL = "Hiệu trưởng"
    VICE_PRINCIPAL = "Phó Hiệu trưởng"
    DATA_OFFICER = "cán bộ phụ trách CSDL"
    SEAL_CUSTODIAN = "văn thư"
    TEACHER = "giáo viên"
    VICE_PRINCIPAL_IN_CHARGE = "Phó Hiệu trưởng được phân công phụ trách"
    HOMEROOM_TEACHER = "giáo viên chủ nhiệm của lớp"
    ASSIGNED_TEACHER = "giáo viên được phân công dạy môn học ở lớp"
    SUBJECT_TEACHER = "giáo viên bộ môn của lớp"
    PREPARER = "người lập sổ"
    OFFICER = "cán bộ được phân công in và đối chiếu"
    REQUESTER = "người đã đề nghị"
    VENDOR = "phần mềm của trường"
    DEPARTMENT = "Sở Giáo dục và Đào tạo"
    SYSTEM = "hệ thống"


CLIENTS = frozenset({Actor.VENDOR, Actor.DEPARTMENT})
"""Actors known by their certificate alone; the access table of the RPC refuses everyone else."""

SCHOOL_ROLES: Mapping[Actor, Role] = {Actor[role.name]: role for role in Role}
"""Actors that are roles of a school; people have them by the roster."""

ELIGIBLE: Mapping[Actor, frozenset[Actor]] = {
    Actor.VICE_PRINCIPAL_IN_CHARGE: frozenset({Actor.VICE_PRINCIPAL}),
    Actor.OFFICER: frozenset({Actor.DATA_OFFICER}),
    Actor.PREPARER: frozenset({Actor.HOMEROOM_TEACHER, Actor.ASSIGNED_TEACHER, Actor.SEAL_CUSTODIAN}),
    Actor.SUBJECT_TEACHER: frozenset({Actor.ASSIGNED_TEACHER}),
}
"""As whom one may come to a relation: only a vice principal is put in charge, only a data officer
named officer of a book. A student register names no preparer: every seal custodian is one."""

PREPARING: Mapping[Preparer, Actor] = {
    Preparer.HOMEROOM_TEACHER: Actor.HOMEROOM_TEACHER,
    Preparer.SUBJECT_TEACHER: Actor.ASSIGNED_TEACHER,
    Preparer.SEAL_CUSTODIAN: Actor.SEAL_CUSTODIAN,
}
"""As whom someone prepares a book, for each preparer of the catalogue."""

HEAD_OF_SCHOOL = SCHOOL_ROLES[Actor.PRINCIPAL]
"""The role from which all others of a school come: whoever holds it appoints the rest."""

SIGNERS: Mapping[SignatoryRole, Actor] = {
    SignatoryRole.SUBJECT_TEACHER: Actor.ASSIGNED_TEACHER,
    SignatoryRole.HOMEROOM_TEACHER: Actor.HOMEROOM_TEACHER,
    SignatoryRole.DATA_OFFICER: Actor.DATA_OFFICER,
    SignatoryRole.PRINCIPAL: Actor.PRINCIPAL,
    SignatoryRole.SCHOOL_SEAL: Actor.SEAL_CUSTODIAN,
}
"""Who makes each signature of the catalogue. Frozen content names these people, from where print
and signing take them; the seal is made with a key that its keeper opens."""

_PREPARER_WORDS = {
    Preparer.HOMEROOM_TEACHER: "giáo viên chủ nhiệm",
    Preparer.SUBJECT_TEACHER: "giáo viên của sổ",
    Preparer.SEAL_CUSTODIAN: "văn thư",
}

EXPLANATIONS: Mapping[Actor, str] = {
    Actor.PRINCIPAL: "Theo vai trò trong danh sách người của trường.",
    Actor.VICE_PRINCIPAL: "Theo vai trò trong danh sách người của trường.",
    Actor.DATA_OFFICER: "Theo vai trò trong danh sách người của trường.",
    Actor.SEAL_CUSTODIAN: "Theo vai trò trong danh sách người của trường.",
    Actor.TEACHER: "Vai trò này tự nó không cho quyền nào; giáo viên làm việc theo phân công dạy học và chủ nhiệm.",
    Actor.VICE_PRINCIPAL_IN_CHARGE: "Phó Hiệu trưởng có trong danh sách người phụ trách của hồ sơ đã được duyệt;"
    " trường không có hồ sơ được duyệt thì mọi Phó Hiệu trưởng.",
    Actor.HOMEROOM_TEACHER: "Người mà danh sách lớp của năm học ghi là chủ nhiệm.",
    Actor.ASSIGNED_TEACHER: "Người được phân công dạy chính môn học đó ở lớp đó.",
    Actor.SUBJECT_TEACHER: "Người được phân công dạy môn học bất kì ở lớp của sổ.",
    Actor.PREPARER: "; ".join(f"{TITLES[kind]}: {_PREPARER_WORDS[who]}" for kind, who in PREPARERS.items()) + ".",
    Actor.OFFICER: "Cán bộ phụ trách CSDL mà Hiệu trưởng phân công cho sổ đó; phải khác người lập sổ.",
    Actor.REQUESTER: "Người đã lập chính đề nghị sửa dữ liệu đó.",
    Actor.VENDOR: "Phần mềm mà trường dùng trong năm học, xác thực bằng chứng thư.",
    Actor.DEPARTMENT: "Người vận hành của Sở, xác thực bằng chứng thư.",
    Actor.SYSTEM: "Hệ thống tự làm khi đủ điều kiện; không ai yêu cầu được.",
}
"""What makes someone such an actor, for those who read the table."""


class Group(StrEnum):
    """The parts of the table, in its order."""

    ROSTER = "Dữ liệu của trường"
    AUTHORITY = "Cho phép dùng sổ điện tử"
    ENTRY = "Nhập dữ liệu"
    CORRECTIONS = "Sửa dữ liệu sau thời hạn nhập"
    REGISTER = "Sổ đăng bộ và biến động học sinh"
    BOOKS = "Chốt, in, ký, khóa và lưu trữ sổ"


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may do an act.

    name: of the act, in Vietnamese. source: letter, circular or ADR that says so; "" for none.
    stand_ins: who acts instead of `actors` in the case that `stand_in_case` tells. reason, refusal:
    code and sentence for everyone else; "" where the access table of the RPC refuses.
    """

    group: Group
    name: str
    actors: frozenset[Actor]
    source: str = ""
    stand_ins: frozenset[Actor] = frozenset()
    stand_in_case: str = ""
    reason: str = ""
    refusal: str = ""


def _grant(
    group: Group, name: str, *actors: Actor, source: str = "", refusal: str = "", reason: str = "ROLE_REQUIRED"
) -> Grant:
    """A row. refusal: where it is not the list of the actors."""
    if CLIENTS.intersection(actors):
        return Grant(group, name, frozenset(actors), source)
    words = refusal or f"Việc này chỉ dành cho: {', '.join(sorted(actor.value for actor in actors))}."
    return Grant(group, name, frozenset(actors), source, reason=reason, refusal=words)


def _grant_with_stand_in(name: str, actor: Actor, case: str, source: str) -> Grant:
    """A row of the corrections for whose actor a vice principal stands in."""
    listed = _grant(Group.CORRECTIONS, name, actor, source=source)
    stand_ins = frozenset({Actor.VICE_PRINCIPAL})
    return replace(listed, stand_ins=stand_ins, stand_in_case=case)


_HOMEROOM_ONLY = "Việc này chỉ dành cho giáo viên chủ nhiệm của lớp."
_NOT_ASSIGNED = "Giáo viên không được phân công dạy môn này ở lớp này."
_REGISTRARS = "Việc này chỉ dành cho: Văn thư, Cán bộ phụ trách CSDL."
_DECIDERS = "Việc này chỉ dành cho: Hiệu trưởng, Cán bộ phụ trách CSDL."
_BOARD_AND_OFFICER = "Việc này chỉ dành cho: ban giám hiệu, cán bộ phụ trách CSDL."

_OWN_REQUEST = (
    "khi giáo viên chủ nhiệm chính là người đề nghị; không có Phó Hiệu trưởng khác thì giáo viên chủ nhiệm tự xác nhận"
)
_HAS_A_PART = (
    "khi Hiệu trưởng chính là người đề nghị hoặc xác nhận; không có Phó Hiệu trưởng khác thì Hiệu trưởng quyết định,"
    " miễn là có ít nhất hai người tham gia việc sửa"
)

_LETTER_3260, _LETTER_3368 = "3260/GDĐT-GDTrH", "3368/GDĐT-TrH"
_PAPER, _DIGITAL = "Hải Phòng 2024 mục 4", "Hải Phòng 2024 mục 5"
_WINDOWS = f"{_LETTER_3260} mục 3"
_MOVEMENTS = "ADR-0037"


def _roster(name: str) -> Grant:
    return _grant(Group.ROSTER, name, Actor.VENDOR)


def _by_office(name: str) -> Grant:
    return _grant(Group.ROSTER, name, Actor.PRINCIPAL, Actor.DATA_OFFICER, source="ADR-0063")


def _department(name: str, source: str) -> Grant:
    return _grant(Group.AUTHORITY, name, Actor.DEPARTMENT, source=source)


def _by_assigned(group: Group, name: str, source: str) -> Grant:
    return _grant(group, name, Actor.ASSIGNED_TEACHER, source=source, refusal=_NOT_ASSIGNED, reason="NOT_ASSIGNED")


def _by_homeroom(group: Group, name: str, source: str) -> Grant:
    return _grant(group, name, Actor.HOMEROOM_TEACHER, source=source, refusal=_HOMEROOM_ONLY)


def _by_registrars(name: str) -> Grant:
    actors = (Actor.SEAL_CUSTODIAN, Actor.DATA_OFFICER)
    return _grant(Group.REGISTER, name, *actors, source=_MOVEMENTS, refusal=_REGISTRARS)


def _by_deciders(name: str) -> Grant:
    actors = (Actor.PRINCIPAL, Actor.DATA_OFFICER)
    return _grant(Group.REGISTER, name, *actors, source=_MOVEMENTS, refusal=_DECIDERS)


def _book(name: str, *actors: Actor, source: str) -> Grant:
    return _grant(Group.BOOKS, name, *actors, source=source)


@unique
class Permission(Enum):
    """The table: one act per row. Names are stable codes."""

    APPOINT_PRINCIPAL = _grant(Group.ROSTER, "Ghi Hiệu trưởng đầu tiên của trường", Actor.DEPARTMENT, source="ADR-0063")
    PUT_PEOPLE = _by_office("Cập nhật người và vai trò")
    PUT_SUBJECTS = _roster("Cập nhật môn học của khối")
    PUT_CLASSES = _by_office("Cập nhật lớp và giáo viên chủ nhiệm")
    PUT_STUDENTS = _roster("Cập nhật danh sách học sinh")
    PUT_ASSIGNMENTS = _by_office("Cập nhật phân công giảng dạy")

    PUT_SCHOOL = _department("Ghi thông tin trường", "")
    PUT_SCHOOL_YEAR = _department("Mở hoặc sửa thiết lập năm học", _LETTER_3368)
    PUT_ASSESSMENT_POLICY = _department("Ghi quy định của Sở về điểm Thông tư 22/2021 còn để ngỏ", "ADR-0044")
    PUT_VENDOR = _department("Đăng kí nhà cung cấp phần mềm", f"{_LETTER_3260} mục 1")
    APPRAISE_VENDOR = _department("Ghi kết quả thẩm định phần mềm", f"{_LETTER_3260} mục 1")
    PUT_DOSSIER_ROUND = _department("Mở hoặc sửa đợt nhận hồ sơ", _LETTER_3368)
    SAVE_DOSSIER = _grant(
        Group.AUTHORITY,
        "Lưu hồ sơ đăng kí sổ điện tử",
        Actor.PRINCIPAL,
        Actor.VICE_PRINCIPAL,
        Actor.DATA_OFFICER,
        source="ADR-0042",
        refusal=_BOARD_AND_OFFICER,
    )
    SUBMIT_DOSSIER = _grant(Group.AUTHORITY, "Nộp hồ sơ đăng kí sổ điện tử", Actor.PRINCIPAL, source="ADR-0042")
    FORWARD_DOSSIER_LIST = _department("Ghi danh sách tổng hợp trường THCS gửi về Sở", _LETTER_3368)
    START_DOSSIER_REVIEW = _department("Sở tiếp nhận xét duyệt hồ sơ", _LETTER_3368)
    APPROVE_DOSSIER = _department("Sở duyệt hồ sơ, cho phép dùng sổ điện tử", _LETTER_3368)
    REJECT_DOSSIER = _department("Sở không duyệt hồ sơ", _LETTER_3368)
    CHECK_CONTROL_LOG = _grant(
        Group.AUTHORITY,
        "Lãnh đạo kiểm tra sổ theo dõi",
        Actor.PRINCIPAL,
        Actor.VICE_PRINCIPAL_IN_CHARGE,
        source=f"{_LETTER_3260} mục 3",
    )

    PLAN_WINDOW = _grant(Group.ENTRY, "Lập hoặc sửa đợt nhập điểm", Actor.PRINCIPAL, source=_WINDOWS)
    CLOSE_WINDOW = _grant(Group.ENTRY, "Đóng đợt nhập điểm, chụp dữ liệu các lớp", Actor.PRINCIPAL, source=_WINDOWS)
    ENTER_MARKS = _by_assigned(Group.ENTRY, "Nhập điểm", "TT 22/2021 Điều 19")
    SETTLE_MISSING_MARKS = _by_assigned(Group.ENTRY, "Cho điểm 0 hoặc CĐ thay điểm còn thiếu", "TT 22/2021 Điều 7")
    ENTER_SUBJECT_REMARKS = _by_assigned(Group.ENTRY, "Ghi nhận xét môn học", "TT 22/2021 Điều 19")
    ENTER_HOMEROOM_REMARKS = _by_homeroom(Group.ENTRY, "Ghi nhận xét của giáo viên chủ nhiệm", "TT 22/2021 Điều 20")
    ENTER_CONDUCT = _by_homeroom(Group.ENTRY, "Nhập kết quả rèn luyện", "TT 22/2021 Điều 20")
    ENTER_SUMMER_CONDUCT = _by_homeroom(
        Group.ENTRY, "Nhập kết quả rèn luyện trong kì nghỉ hè", "TT 22/2021 Điều 13, Điều 20"
    )
    ENTER_ABSENCES = _by_homeroom(Group.ENTRY, "Nhập tổng số buổi nghỉ", "ADR-0038")
    ENTER_ATTENDANCE = _by_homeroom(Group.ENTRY, "Điểm danh", "ADR-0038")
    ENTER_ACHIEVEMENTS = _by_homeroom(Group.ENTRY, "Ghi chứng chỉ, kết quả cuộc thi", "TT 22/2021 Điều 20")
    RECORD_EXEMPTION = _grant(
        Group.ENTRY,
        "Ghi quyết định miễn học phần thực hành, hoặc bỏ quyết định đó",
        Actor.PRINCIPAL,
        source="TT 22/2021 Điều 10",
    )
    RECORD_PRINCIPAL_REMARK = _grant(
        Group.ENTRY, "Hiệu trưởng ghi nhận xét tháng", Actor.PRINCIPAL, source="TT 22/2021 phụ lục"
    )

    REQUEST_MARK_CORRECTION = _by_assigned(Group.CORRECTIONS, "Đề nghị sửa điểm sau thời hạn nhập", "ADR-0040")
    REQUEST_CLASS_CORRECTION = _by_homeroom(
        Group.CORRECTIONS, "Đề nghị sửa rèn luyện, số buổi nghỉ, điểm danh sau thời hạn nhập", "ADR-0040, ADR-0047"
    )
    CONFIRM_CORRECTION = _grant_with_stand_in(
        "Xác nhận việc sửa dữ liệu", Actor.HOMEROOM_TEACHER, _OWN_REQUEST, "TT 22/2021 Điều 20 khoản 2; ADR-0040"
    )
    APPROVE_CORRECTION = _grant_with_stand_in("Duyệt sửa dữ liệu", Actor.PRINCIPAL, _HAS_A_PART, "ADR-0040")
    REJECT_CORRECTION = _grant_with_stand_in("Không duyệt sửa dữ liệu", Actor.PRINCIPAL, _HAS_A_PART, "ADR-0040")
    WITHDRAW_CORRECTION = _grant(Group.CORRECTIONS, "Rút đề nghị sửa dữ liệu", Actor.REQUESTER, source="ADR-0040")

    REGISTER_STUDENTS = _by_registrars("Ghi sổ đăng bộ")
    RETURN_PAPERS = _by_registrars("Ghi việc trả giấy tờ cho học sinh")
    TRANSFER_OUT = _by_deciders("Ghi học sinh chuyển đi")
    TRANSFER_IN = _by_deciders("Ghi học sinh chuyển đến")
    RECORD_MOVEMENT = _by_deciders("Ghi chuyển lớp, bảo lưu, thôi học, trở lại học, tốt nghiệp")

    FREEZE_BOOK = _book("Chốt dữ liệu sổ", Actor.PREPARER, source="TT 22/2021 Điều 18, Điều 19, Điều 20")
    ASSIGN_PRINT = _book("Phân công in và đối chiếu", Actor.PRINCIPAL, source=_PAPER)
    PRINT_BOOK = _book("In bản chưa có chữ ký số", Actor.SYSTEM, source=_PAPER)
    START_RECONCILIATION = _book("Bắt đầu rà soát, đối chiếu", Actor.OFFICER, source=_PAPER)
    CONFIRM_RECONCILIATION = _book("Xác nhận bản in khớp dữ liệu", Actor.OFFICER, Actor.PREPARER, source=_PAPER)
    REPORT_MISMATCH = _book(
        "Báo bản in không khớp, hủy bản", Actor.OFFICER, Actor.PREPARER, Actor.SUBJECT_TEACHER, source=_PAPER
    )
    RECORD_HAND_SIGNED = _book("Ký tay trên bản giấy", Actor.PRINCIPAL, source=_PAPER)
    RECORD_STAMPED = _book("Đóng dấu bản giấy", Actor.SEAL_CUSTODIAN, source=_PAPER)
    RECORD_PAPER_ARCHIVED = _book("Lưu trữ bản giấy", Actor.DATA_OFFICER, source=_PAPER)
    START_SIGNING = _book("Bắt đầu ký số", Actor.PRINCIPAL, source=_DIGITAL)
    COMPLETE_SIGNATURES = _book("Đủ chữ ký số cá nhân", Actor.SYSTEM, source=_DIGITAL)
    SEAL_BOOK = _book("Đóng dấu số", Actor.SYSTEM, source=_DIGITAL)
    LOCK_BOOK = _book("Khóa sổ", Actor.PRINCIPAL, source=_DIGITAL)
    ARCHIVE_BOOK = _book("Lưu trữ hồ sơ điện tử", Actor.SYSTEM, source=_DIGITAL)
    RETURN_BOOK = _book("Trả hồ sơ", Actor.PRINCIPAL, source=_DIGITAL)
    REVOKE_BOOK = _book("Thu hồi sổ", Actor.PRINCIPAL, source="")
    END_CORRECTED_BOOK = _book("Hủy bản sổ vì sửa điểm", Actor.SYSTEM, source="ADR-0040")
    END_TRANSCRIPT = _book("Hủy bản học bạ vì sổ nguồn bị thu hồi", Actor.SYSTEM, source="ADR-0036")


def capacities(roles: Iterable[int], *, in_charge: bool = False) -> set[Actor]:
    """What the holder of these roles of a school acts as.

    in_charge: an approved dossier says so.
    """
    held = set(roles)
    actors = {actor for actor, role in SCHOOL_ROLES.items() if role in held}
    if in_charge and actors & ELIGIBLE[Actor.VICE_PRINCIPAL_IN_CHARGE]:
        actors.add(Actor.VICE_PRINCIPAL_IN_CHARGE)
    return actors


def check(permission: Permission, actors: AbstractSet[Actor], *, stands_in: bool = False, **facts: object) -> None:
    """Raises Forbidden with the row's refusal and `facts` unless one of `actors` may do the act.

    stands_in: the case of the row's stand-ins is given, so that they may do it too. Whether it is
    given follows from earlier steps, which the life cycle of corrections knows.
    """
    grant = permission.value
    allowed = grant.actors | grant.stand_ins if stands_in else grant.actors
    if not allowed & actors:
        raise Forbidden(grant.reason, grant.refusal, **facts)


def in_charge(person: str, assigned: Collection[str] | None) -> bool:
    """Whether a school's dossier puts a person in charge of its gradebook.

    assigned: whom the approved dossier names; None: none is approved, and nobody is left out.
    """
    return assigned is None or person in assigned


def preparer_of(record_type: RecordType, actors: AbstractSet[Actor]) -> AbstractSet[Actor]:
    """PREPARER, if one who acts on a book of the type as `actors` prepares it; else nothing."""
    return {Actor.PREPARER} if PREPARING[PREPARERS[record_type]] in actors else frozenset()


def department_puts(people: Iterable[Collection[int]]) -> Permission:
    """The permission that the Department needs to put people who have these roles each.

    For principals alone it is APPOINT_PRINCIPAL; for anyone else what a school's own people need.
    """
    return Permission.APPOINT_PRINCIPAL if all(HEAD_OF_SCHOOL in roles for roles in people) else Permission.PUT_PEOPLE


def is_eligible(relation: Actor, roles: Iterable[int]) -> bool:
    """Whether the holder of these roles may by them come to a relation of `ELIGIBLE`."""
    return bool(capacities(roles) & ELIGIBLE[relation])


def terms(permission: Permission, actor: Actor) -> str | None:
    """The condition under which an actor may do an act, as a clause in Vietnamese.

    "" when there is no condition; None when the actor may not do it at all.
    """
    grant = permission.value
    if actor in grant.actors:
        return ""
    if actor in grant.stand_ins:
        return f"thay, {grant.stand_in_case}"
    relations = sorted(relation.value for relation in grant.actors if actor in ELIGIBLE.get(relation, ()))
    return f"khi là {', '.join(relations)}" if relations else None


def board(roles: Iterable[int]) -> AbstractSet[int]:
    """Those of a person's roles that make them a member of the school board (ban giám hiệu)."""
    return {Role.PRINCIPAL, Role.VICE_PRINCIPAL}.intersection(roles)


def signing_role(signatory: SignatoryRole) -> Role:
    """The role that makes someone this signatory of a book; exactly one person may hold it."""
    return SCHOOL_ROLES[SIGNERS[signatory]]
