"""`hoso dossiers`, `hoso vendors`, `hoso control-log`: permission for electronic gradebooks."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from hoso.gradebook.v1 import common_pb2, dossiers_pb2

from cli.connection import call, every, operator
from cli.output import Output, show
from services.common.vietnam import VIETNAM

dossiers = typer.Typer(no_args_is_help=True)
vendors = typer.Typer(no_args_is_help=True)

_STATES = ("DRAFT", "SUBMITTED", "UNDER_REVIEW", "APPROVED", "REJECTED")
_REASONS = ("LATE", "MISSING", "NOT_ELIGIBLE")
_RESULTS = ("APPRAISED", "REFUSED", "SUSPENDED")

School = Annotated[str, typer.Argument(help="School code.")]
SchoolYear = Annotated[str, typer.Argument(help="School year, such as 2026-2027.")]
DocumentFile = Annotated[Path, typer.Option("--document", exists=True, dir_okay=False, help="The document's file.")]
Title = Annotated[str, typer.Option("--title", help="Title of the document.")]
Number = Annotated[str, typer.Option("--number", help="Number of the document, such as 3500/SGDĐT-GDTrH.")]
IssuedOn = Annotated[str, typer.Option("--issued-on", help="Its date, such as 2026-09-25.")]
KeptAt = Annotated[str, typer.Option("--kept-at", help="Where the file is kept.")]


@dossiers.command("list")
def list_dossiers(
    school_year: SchoolYear,
    state: Annotated[str, typer.Option(help=f"Only one of {', '.join(_STATES)}.")] = "",
) -> None:
    """The newest dossier of every school in a school year."""
    request = dossiers_pb2.ListDossiersRequest(school_year=school_year)
    if state:
        number = _number("DOSSIER_STATE", state, _STATES, dossiers_pb2.DossierState)
        request.state = dossiers_pb2.DossierState.ValueType(number)
    listed = every(operator().dossiers.ListDossiers, request, "dossiers")
    rows = [
        (d.school, d.version, _state(d.state), _route(d.route), d.software, _time(d, "submitted_time"), _reason(d))
        for d in listed
    ]
    columns = ("trường", "bản", "trạng thái", "đường nộp", "phần mềm", "nộp lúc", "lí do")
    show(f"Hồ sơ năm học {school_year}", columns, rows, listed)


@dossiers.command("show")
def show_dossier(
    school: School,
    school_year: SchoolYear,
    version: Annotated[int, typer.Option(min=0, help="0: the newest.")] = 0,
) -> None:
    """One dossier with its items and its history."""
    request = dossiers_pb2.GetDossierRequest(school=school, school_year=school_year, version=version)
    dossier = call(operator().dossiers.GetDossier, request).dossier
    title = f"Hồ sơ {school}, {school_year}, bản {dossier.version}: {_state(dossier.state)} {_reason(dossier)}"
    items = [
        (field.name, value.number, value.issued_on, value.sha256.hex()[:16], value.title)
        for field, value in dossier.items.ListFields()
        if isinstance(value, dossiers_pb2.Document)
    ]
    show(title, ("mục", "số", "ngày", "mã băm", "trích yếu"), items, dossier)
    rows = [(_time(s, "time"), _state(s.to_state), s.person or "-", s.client, s.note) for s in dossier.history]
    if not Output.as_json:
        show("Quá trình", ("lúc", "trạng thái", "người thực hiện", "qua", "ghi chú"), rows, dossier)


@dossiers.command("missing")
def missing(school_year: SchoolYear) -> None:
    """The schools that still have to submit a dossier."""
    request = dossiers_pb2.ListMissingDossiersRequest(school_year=school_year)
    schools = every(operator().dossiers.ListMissingDossiers, request, "schools")
    rows = [(s.school, s.name, _level(s.level), _route(s.route), _state(s.state)) for s in schools]
    show(f"Chưa nộp hồ sơ năm học {school_year}", ("trường", "tên", "cấp", "đường nộp", "đã có"), rows, schools)


@dossiers.command("round")
def put_round(
    school_year: SchoolYear,
    deadline: Annotated[
        datetime, typer.Argument(formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"], help="In Vietnam: 2026-09-20T16:00.")
    ],
    direct: Annotated[list[str] | None, typer.Option(help="Code of a THCS that the Department runs.")] = None,
    office: Annotated[list[str] | None, typer.Option(help="An office that may forward lists; none: any.")] = None,
    note: Annotated[str, typer.Option(help="Such as the number of the Department's letter.")] = "",
) -> None:
    """Open the round of a school year, or move its deadline."""
    moment = Timestamp()
    moment.FromDatetime(deadline.replace(tzinfo=VIETNAM))
    opened = dossiers_pb2.DossierRound(
        school_year=school_year, deadline=moment, direct_schools=direct or [], offices=office or [], note=note
    )
    call(operator().dossiers.PutDossierRound, dossiers_pb2.PutDossierRoundRequest(round=opened))
    show("Đợt nhận hồ sơ", ("năm học", "hạn nộp"), [(school_year, _time(opened, "deadline"))], opened)


@dossiers.command("forward")
def forward(
    school_year: SchoolYear,
    office: Annotated[str, typer.Argument(help="The office that permitted the schools.")],
    schools: Annotated[list[str], typer.Argument(help="School codes.")],
    *,
    document: DocumentFile,
    number: Number,
    issued_on: IssuedOn,
    title: Title = "Danh sách trường được phép dùng sổ điện tử",
    kept_at: KeptAt = "Văn thư Sở",
) -> None:
    """Record an office's consolidated list of permitted THCS, received now."""
    request = dossiers_pb2.ForwardListRequest(
        school_year=school_year,
        office=office,
        list=_document(document, title, number, issued_on, kept_at),
        schools=schools,
    )
    answer = call(operator().dossiers.ForwardList, request)
    show("Danh sách", ("đơn vị", "số trường", "quá hạn"), [(office, len(schools), answer.late)], answer)


@dossiers.command("review")
def review(school: School, school_year: SchoolYear) -> None:
    """Take a dossier into review."""
    request = dossiers_pb2.StartReviewRequest(school=school, school_year=school_year)
    _show_state(call(operator().dossiers.StartReview, request).dossier)


@dossiers.command("decide")
def decide(
    school: School,
    school_year: SchoolYear,
    *,
    document: DocumentFile,
    number: Number,
    issued_on: IssuedOn,
    reject: Annotated[str, typer.Option(help=f"Reject with one of {', '.join(_REASONS)}; without: approve.")] = "",
    note: Annotated[str, typer.Option(help="Such as what is missing.")] = "",
    title: Title = "Văn bản về việc sử dụng sổ điểm điện tử",
    kept_at: KeptAt = "Văn thư Sở",
) -> None:
    """Approve a dossier, or reject it with a reason."""
    reason = _number("REJECTION_REASON", reject, _REASONS, dossiers_pb2.RejectionReason) if reject else 0
    state = dossiers_pb2.DOSSIER_STATE_REJECTED if reject else dossiers_pb2.DOSSIER_STATE_APPROVED
    request = dossiers_pb2.DecideDossierRequest(
        school=school,
        school_year=school_year,
        state=state,
        reason=dossiers_pb2.RejectionReason.ValueType(reason),
        decision=_document(document, title, number, issued_on, kept_at),
        note=note,
    )
    _show_state(call(operator().dossiers.DecideDossier, request).dossier)


@vendors.command("list")
def list_vendors() -> None:
    """The registered vendors with their newest appraisal."""
    listed = every(operator().dossiers.ListVendors, dossiers_pb2.ListVendorsRequest(), "vendors")
    rows = [
        (v.name, v.title, v.version, _status(v.status), v.appraisal.decision.number, v.appraisal.valid_to or "-")
        for v in listed
    ]
    show("Phần mềm", ("tên", "sản phẩm", "phiên bản", "thẩm định", "văn bản", "đến ngày"), rows, listed)


@vendors.command("put")
def put_vendor(
    name: Annotated[str, typer.Argument(help="Name in the certificate, without vendor/.")],
    title: Annotated[str, typer.Argument(help="Name of the product.")],
    software: Annotated[str, typer.Argument(help="Full name of the software and its owner.")],
    version: Annotated[str, typer.Argument(help="Version; a new version is appraised again.")],
) -> None:
    """Register a vendor or a new version of its software."""
    vendor = dossiers_pb2.Vendor(name=name, title=title, software=software, version=version)
    answer = call(operator().dossiers.PutVendor, dossiers_pb2.PutVendorRequest(vendor=vendor))
    show("Phần mềm", ("tên", "phiên bản", "thẩm định"), [(name, version, _status(answer.status))], answer)


@vendors.command("appraise")
def appraise(
    name: Annotated[str, typer.Argument(help="Vendor name.")],
    result: Annotated[str, typer.Argument(help=f"One of {', '.join(_RESULTS)}.")],
    *,
    document: DocumentFile,
    number: Number,
    issued_on: IssuedOn,
    valid_from: Annotated[str, typer.Option(help="First day, such as 2026-09-01.")],
    valid_to: Annotated[str, typer.Option(help="Last day for new dossiers; none: until further notice.")] = "",
    note: Annotated[str, typer.Option(help="Remark.")] = "",
    title: Title = "Kết quả thẩm định phần mềm",
    kept_at: KeptAt = "Văn thư Sở",
) -> None:
    """Record the result of an appraisal; SUSPENDED stops the vendor everywhere at once."""
    status = _number("VENDOR_STATUS", result, _RESULTS, dossiers_pb2.VendorStatus)
    appraisal = dossiers_pb2.Appraisal(
        status=dossiers_pb2.VendorStatus.ValueType(status),
        decision=_document(document, title, number, issued_on, kept_at),
        valid_from=valid_from,
        valid_to=valid_to,
        note=note,
    )
    call(operator().dossiers.AppraiseVendor, dossiers_pb2.AppraiseVendorRequest(vendor=name, appraisal=appraisal))
    show("Thẩm định", ("phần mềm", "kết quả", "văn bản"), [(name, result, number)], appraisal)


def control_log(school: School, school_year: SchoolYear) -> None:
    """The control log of a school's gradebook in a school year (sổ theo dõi), oldest first."""
    request = dossiers_pb2.ListControlLogRequest(school=school, school_year=school_year)
    entries = every(operator().dossiers.ListControlLog, request, "entries")
    rows = [(e.sequence or "-", _time(e, "time"), e.title, e.subject, e.person or "-", e.client) for e in entries]
    columns = ("số", "lúc", "việc", "đối tượng", "người thực hiện", "qua")
    show(f"Sổ theo dõi sổ điện tử của trường {school}, {school_year}", columns, rows, entries)


def _show_state(dossier: dossiers_pb2.Dossier) -> None:
    rows = [(dossier.school, dossier.school_year, dossier.version, _state(dossier.state), _reason(dossier))]
    show("Hồ sơ", ("trường", "năm học", "bản", "trạng thái", "lí do"), rows, dossier)


def _document(file: Path, title: str, number: str, issued_on: str, kept_at: str) -> dossiers_pb2.Document:
    """A document by its identity; the file itself stays where it is."""
    data = file.read_bytes()
    return dossiers_pb2.Document(
        title=title,
        number=number,
        issued_on=issued_on,
        sha256=hashlib.sha256(data).digest(),
        size_bytes=len(data),
        kept_at=kept_at,
    )


def _number(prefix: str, name: str, known: tuple[str, ...], enum: Any) -> int:
    if name not in known:
        raise typer.BadParameter(f"one of {', '.join(known)}")
    return int(enum.Value(f"{prefix}_{name}"))


def _state(state: int) -> str:
    return dossiers_pb2.DossierState.Name(dossiers_pb2.DossierState.ValueType(state)).removeprefix("DOSSIER_STATE_")


def _status(status: int) -> str:
    return dossiers_pb2.VendorStatus.Name(dossiers_pb2.VendorStatus.ValueType(status)).removeprefix("VENDOR_STATUS_")


def _route(route: int) -> str:
    return "trực tiếp" if route == dossiers_pb2.DOSSIER_ROUTE_DIRECT else "qua danh sách"


def _level(level: int) -> str:
    return common_pb2.SchoolLevel.Name(common_pb2.SchoolLevel.ValueType(level)).removeprefix("SCHOOL_LEVEL_")


def _reason(dossier: dossiers_pb2.Dossier) -> str:
    if not dossier.reason:
        return ""
    return dossiers_pb2.RejectionReason.Name(dossier.reason).removeprefix("REJECTION_REASON_")


def _time(message: Any, field: str) -> str:
    """A point in time in Vietnam (ISO 8601, +07:00); empty when there is none."""
    if not message.HasField(field):
        return ""
    moment: datetime = getattr(message, field).ToDatetime(UTC)
    return moment.astimezone(VIETNAM).isoformat(timespec="seconds")
