"""Adoption dossiers: what a school must hand in before it keeps an electronic gradebook.

HCMC 3368/GDĐT-TrH of 12/9/2017 lists the eight items, the two routes and the deadline with its time
of day; 3260/GDĐT-GDTrH of 9/10/2015 gives the conditions. Pure: the use cases bring the facts
(ADR-0042).
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import Enum, IntEnum

from services.common.errors import Rejected
from services.common.vietnam import VIETNAM
from services.gradebook.model.checks import Findings
from services.gradebook.model.domain import Authorisation, SchoolLevel, SchoolYear, VendorStatus
from services.gradebook.model.permissions import board

MAX_DUTIES = 50
MAX_WINDOWS = 30
_MAX_BYTES = 2**40
_FIRST_DOCUMENT = date(2000, 1, 1)


class DossierState(IntEnum):
    """State of a dossier; numbers as in the proto."""

    DRAFT = 1
    SUBMITTED = 2
    UNDER_REVIEW = 3
    APPROVED = 4
    REJECTED = 5


class Reason(IntEnum):
    """Why a dossier was rejected; numbers as in the proto's RejectionReason."""

    LATE = 1
    MISSING = 2
    NOT_ELIGIBLE = 3


class Route(IntEnum):
    """How a dossier reaches the Department; numbers as in the proto's DossierRoute."""

    DIRECT = 1
    LIST = 2


class PortalLink(IntEnum):
    """How the software is connected to the Department's portal; numbers as in the proto."""

    ON_PORTAL = 1
    CONNECTED = 2


class DossierAct(Enum):
    """A step in the life of a dossier."""

    SAVE = "SAVE"
    SUBMIT = "SUBMIT"
    START_REVIEW = "START_REVIEW"
    APPROVE = "APPROVE"
    REJECT = "REJECT"


RULES: dict[DossierAct, tuple[frozenset[DossierState], DossierState]] = {
    DossierAct.SAVE: (frozenset({DossierState.DRAFT}), DossierState.DRAFT),
    DossierAct.SUBMIT: (frozenset({DossierState.DRAFT}), DossierState.SUBMITTED),
    DossierAct.START_REVIEW: (frozenset({DossierState.SUBMITTED}), DossierState.UNDER_REVIEW),
    DossierAct.APPROVE: (frozenset({DossierState.UNDER_REVIEW}), DossierState.APPROVED),
    DossierAct.REJECT: (frozenset({DossierState.SUBMITTED, DossierState.UNDER_REVIEW}), DossierState.REJECTED),
}
"""Act → the states in which it is allowed, and the state to which it leads."""


@dataclass(frozen=True, slots=True)
class Document:
    """What identifies a document. issued_on: ISO 8601; sha256: of the file, in hexadecimal."""

    title: str
    number: str
    issued_on: str
    sha256: str
    size_bytes: int
    kept_at: str


@dataclass(frozen=True, slots=True)
class Duty:
    """The duty of a person in charge. person: id in the roster."""

    person: str
    duty: str


@dataclass(frozen=True, slots=True)
class Items:
    """Items 1–8 of a dossier, as far as they are given. portal_link: PortalLink, 0 if not given."""

    renewal: bool = False
    petition: Document | None = None
    software: tuple[str, ...] = ()
    portal_link: int = 0
    regulation_decision: Document | None = None
    regulation: Document | None = None
    assignment_decision: Document | None = None
    assignment: tuple[Duty, ...] = ()
    entry_plan: Document | None = None
    windows: tuple[str, ...] = ()
    assessment_plan: Document | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """What a complete dossier says, as handed in.

    software: vendor name. assigned: person in charge → sorted roles at that time.
    """

    software: str
    assigned: Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts that a dossier is checked against.

    appraised: vendor name → whether its software may be named in a dossier today; unknown vendors
        are False or omitted.
    windows: names of the planned windows. staff: person → roles, of the school's people.
    previous: the approved dossier of the year before, if any.
    """

    appraised: Mapping[str, bool]
    windows: AbstractSet[str]
    staff: Mapping[str, Sequence[int]]
    previous: Submission | None


@dataclass(frozen=True, slots=True)
class Round:
    """The round of dossiers of a school year.

    direct_schools: codes of the THCS that hand in directly.
    offices: those that may forward lists; empty: any.
    """

    school_year: str
    deadline: datetime
    direct_schools: Sequence[str]
    offices: Sequence[str]
    note: str


@dataclass(frozen=True, slots=True)
class YearSettings:
    """A school year as stored.

    approved_software: of its newest dossier if that is approved, else empty.
    """

    year: SchoolYear
    vendor_suspended: bool
    approved_software: str


DOCUMENTS = {
    "petition": (1, "Tờ trình về việc sử dụng sổ điểm điện tử"),
    "regulation_decision": (3, "Quyết định ban hành quy chế"),
    "regulation": (3, "Quy chế sử dụng sổ điểm điện tử"),
    "assignment_decision": (4, "Quyết định phân công người phụ trách hoặc tổ phụ trách"),
    "entry_plan": (5, "Kế hoạch ghi điểm, lưu điểm và in sổ điểm điện tử"),
    "assessment_plan": (6, "Kế hoạch kiểm tra đánh giá của nhà trường"),
}
"""Field of Items → number and name of the item (attachment of 3368/GDĐT-TrH)."""
_RENEWED = ("entry_plan", "assessment_plan")


def check_document(findings: Findings, field: str, document: Document, today: date) -> None:
    """Check that what identifies a document is complete and plausible."""
    findings.text(f"{field}.title", document.title, shortest=5, longest=300)
    findings.text(f"{field}.number", document.number, longest=60)
    findings.day(f"{field}.issued_on", document.issued_on, _FIRST_DOCUMENT, today)
    if len(document.sha256) != 64:
        findings.add(f"{field}.sha256", "DIGEST", "Mã băm SHA-256 của tệp phải có đúng 32 byte.")
    findings.number(f"{field}.size_bytes", document.size_bytes, 1, _MAX_BYTES)
    findings.text(f"{field}.kept_at", document.kept_at, longest=200)


def check_items(items: Items, today: date) -> None:
    """Check the form of what a draft gives; items may be missing. Raises Invalid."""
    findings = Findings()
    for name in DOCUMENTS:
        document = getattr(items, name)
        if document is not None:
            check_document(findings, f"items.{name}", document, today)
    findings.count("items.software", len(items.software), 0, 10)
    for index, vendor in enumerate(items.software):
        findings.vendor(f"items.software[{index}]", vendor)
    if items.portal_link:
        findings.one_of("items.portal_link", items.portal_link, set(PortalLink))
    if findings.count("items.assignment", len(items.assignment), 0, MAX_DUTIES):
        for index, duty in enumerate(items.assignment):
            findings.code(f"items.assignment[{index}].person", duty.person, longest=64)
            findings.text(f"items.assignment[{index}].duty", duty.duty, shortest=5, longest=300)
        findings.unique("items.assignment", [duty.person for duty in items.assignment], "Một người có hai dòng.")
    if findings.count("items.windows", len(items.windows), 0, MAX_WINDOWS):
        for index, name in enumerate(items.windows):
            findings.window_name(f"items.windows[{index}]", name)
        findings.unique("items.windows", items.windows, "Một đợt nhập có hai lần.")
    findings.refuse()


def complete(items: Items, facts: Facts) -> Submission:
    """The submission of a dossier with all items.

    Raises Invalid naming every missing or wrong item.
    """
    findings = Findings()
    submission = _renewal(findings, items, facts) if items.renewal else _whole(findings, items, facts)
    for name in _RENEWED if items.renewal else DOCUMENTS:
        if getattr(items, name) is None:
            number, words = DOCUMENTS[name]
            findings.add(f"items.{name}", f"ITEM_{number}_MISSING", f"Thiếu mục {number}: {words}.")
    if not items.windows:
        message = "Thiếu mục 5: kế hoạch phải nêu các đợt nhập điểm đã lập trong năm học."
        findings.add("items.windows", "ITEM_5_MISSING", message)
    for index, window in enumerate(items.windows):
        if window not in facts.windows:
            findings.add(f"items.windows[{index}]", "WINDOW_UNKNOWN", "Mục 5: trường chưa lập đợt nhập điểm này.")
    if submission.software and not facts.appraised.get(submission.software, False):
        message = "Mục 7: phần mềm chưa được Sở thẩm định hoặc kết quả thẩm định không còn hiệu lực."
        findings.add("items.software", "SOFTWARE_NOT_APPRAISED", message)
    findings.refuse()
    return submission


def _whole(findings: Findings, items: Items, facts: Facts) -> Submission:
    if len(items.software) != 1:
        message = "Mục 2: nhà trường phải nêu một phần mềm duy nhất."
        findings.add("items.software", "ONE_SOFTWARE" if items.software else "ITEM_2_MISSING", message)
    if not items.portal_link:
        message = "Thiếu mục 2: cách phần mềm kết nối với cổng thông tin của Sở."
        findings.add("items.portal_link", "ITEM_2_MISSING", message)
    for index, duty in enumerate(items.assignment):
        if duty.person not in facts.staff:
            message = "Mục 4: trường không có người mang mã này."
            findings.add(f"items.assignment[{index}].person", "PERSON_UNKNOWN", message)
    assigned = {duty.person: sorted(facts.staff.get(duty.person, ())) for duty in items.assignment}
    if not assigned:
        findings.add("items.assignment", "ITEM_4_MISSING", "Thiếu mục 4: danh sách người phụ trách và nhiệm vụ.")
    elif not any(board(roles) for roles in assigned.values()):
        message = "Mục 4: phải có thành viên ban giám hiệu trong số người phụ trách."
        findings.add("items.assignment", "SCHOOL_BOARD_REQUIRED", message)
    return Submission(items.software[0] if len(items.software) == 1 else "", assigned)


def _renewal(findings: Findings, items: Items, facts: Facts) -> Submission:
    """Item 8: only items 5 and 6, if the dossier of the year before was approved and its personnel
    is unchanged.
    """
    if facts.previous is None:
        message = "Mục 8: chỉ trường có hồ sơ được duyệt ở năm học trước mới nộp riêng mục 5 và mục 6."
        findings.add("items.renewal", "NOT_RENEWABLE", message)
        return Submission("", {})
    before = facts.previous
    if items.software not in ((), (before.software,)):
        message = "Mục 8: phần mềm khác năm học trước thì phải nộp đủ hồ sơ."
        findings.add("items.software", "SOFTWARE_CHANGED", message)
    named = {duty.person for duty in items.assignment} or set(before.assigned)
    unchanged = named == set(before.assigned) and all(
        person in facts.staff and board(facts.staff[person]) == board(roles)
        for person, roles in before.assigned.items()
    )
    if not unchanged:
        message = "Mục 8: nhân sự phụ trách đã thay đổi so với năm học trước nên phải nộp đủ hồ sơ."
        findings.add("items.assignment", "PERSONNEL_CHANGED", message)
    return before


def step(state: DossierState, act: DossierAct) -> DossierState:
    """The state after an act. Raises Rejected DOSSIER_STATE."""
    sources, target = RULES[act]
    if state not in sources:
        raise Rejected(
            "DOSSIER_STATE",
            f"Hồ sơ đang ở trạng thái {state.name}; việc này cần trạng thái khác.",
            state=state.name,
            act=act.value,
            expected=",".join(sorted(source.name for source in sources)),
        )
    return target


def draft_version(
    newest: tuple[int, DossierState] | None, *, authorised: bool, deadline: datetime | None, now: datetime
) -> int:
    """The version that a draft is written to: the open draft, or the next version after a decision.

    The next version needs an open round. After an approval it also needs the school year to have
    lost its authority, as when its vendor was suspended. newest: version and state, None before the
    first. Raises Rejected DOSSIER_STATE, ROUND_CLOSED.
    """
    if newest is None:
        return 1
    version, state = newest
    if state is DossierState.REJECTED or (state is DossierState.APPROVED and not authorised):
        if deadline is None or is_late(now, deadline):
            raise Rejected("ROUND_CLOSED", "Đã hết hạn nộp hồ sơ của năm học này nên không lập lại được.")
        return version + 1
    step(state, DossierAct.SAVE)
    return version


def is_late(time: datetime, deadline: datetime) -> bool:
    """Whether something came after the deadline; the instant of the deadline is still in time."""
    return time > deadline


def local(time: datetime) -> str:
    """A point in time for people: Vietnamese time to the second, ISO 8601 (NĐ 30/2020)."""
    return time.astimezone(VIETNAM).isoformat(timespec="seconds")


def route(level: int, school: str, direct_schools: Sequence[str]) -> Route:
    """How a school hands in: a THCS through a list unless it is named as direct, others directly.

    level: SchoolLevel. direct_schools: codes, as in Round.
    """
    if level == SchoolLevel.LOWER_SECONDARY and school not in direct_schools:
        return Route.LIST
    return Route.DIRECT


def year_before(school_year: str) -> str:
    """The school year before: ``2025-2026`` for ``2026-2027``."""
    start = int(school_year[:4])
    return f"{start - 1}-{start}"


def authorised_year(wanted: SchoolYear, before: YearSettings | None, now: datetime) -> SchoolYear:
    """The settings of a school year after the Department puts it, with its authorisation.

    An unspecified authorisation leaves it unchanged, and means DOSSIER in a new year. With DOSSIER
    a year is authorised if its newest dossier is approved for the wanted vendor. Raises Rejected
    VENDOR_OF_DOSSIER if the vendor of an approved dossier would be replaced while it is not
    suspended: one software per school and year (item 2).
    """
    old = before.year if before else None
    kind = wanted.authorisation or (old.authorisation if old else Authorisation.DOSSIER)
    since = old.authorised_time if old else None
    if kind == Authorisation.BY_DEPARTMENT:
        decision = wanted.authorisation_decision or (old.authorisation_decision if old else "")
        return replace(wanted, authorisation=kind, authorisation_decision=decision, authorised_time=since or now)
    if before is not None and before.approved_software:
        if before.approved_software == wanted.vendor:
            return replace(wanted, authorisation=kind, authorised_time=since or now)
        if since is not None and before.year.authorisation == kind and not before.vendor_suspended:
            raise Rejected(
                "VENDOR_OF_DOSSIER",
                "Phần mềm của năm học đã được duyệt theo hồ sơ; mỗi năm học chỉ dùng một phần mềm.",
                vendor=before.approved_software,
            )
    return replace(wanted, authorisation=kind, authorised_time=None)


def usable(status: int, valid_from: date | None, valid_to: date | None, today: date) -> bool:
    """Whether a vendor's software may be named in a dossier today (item 7).

    status: VendorStatus.
    """
    return (
        status == VendorStatus.APPRAISED
        and valid_from is not None
        and valid_from <= today
        and (valid_to is None or today <= valid_to)
    )
