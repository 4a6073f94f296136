"""DossierService; see proto/hoso/gradebook/v1/dossiers.proto."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from hoso.gradebook.v1 import common_pb2, dossiers_pb2, dossiers_pb2_grpc

from services.common.db import Database
from services.common.errors import Invalid, Violation
from services.common.grpc_server import Served
from services.common.identity import Access, caller
from services.common.message_fields import page_size, timestamp
from services.gradebook.api import pages
from services.gradebook.api.act_access import access_for
from services.gradebook.authority import control_log, dossier_rounds, dossiers, vendors
from services.gradebook.authority.control_log_store import LogRow
from services.gradebook.authority.dossier_store import StepRow
from services.gradebook.authority.dossiers import Decision, Routed
from services.gradebook.authority.vendor_store import VendorRow
from services.gradebook.authority.vendors import Appraisal
from services.gradebook.model import control_log_words as log_words
from services.gradebook.model.checks import moment
from services.gradebook.model.dossier_items import document_of
from services.gradebook.model.dossier_rules import Document, Duty, Items, Round, Route
from services.gradebook.model.permissions import Permission

_LARGEST_SEQUENCE = 2**53
_OPERATOR = Access(clients=("operator/department",))
_BOTH = Access(clients=("vendor/*", "operator/department"))
ACCESS = {
    "PutVendor": access_for(Permission.PUT_VENDOR),
    "AppraiseVendor": access_for(Permission.APPRAISE_VENDOR),
    "ListVendors": _OPERATOR,
    "PutDossierRound": access_for(Permission.PUT_DOSSIER_ROUND),
    "SaveDossier": access_for(Permission.SAVE_DOSSIER),
    "SubmitDossier": access_for(Permission.SUBMIT_DOSSIER),
    "ForwardList": access_for(Permission.FORWARD_DOSSIER_LIST),
    "StartReview": access_for(Permission.START_DOSSIER_REVIEW),
    "DecideDossier": access_for(Permission.APPROVE_DOSSIER, Permission.REJECT_DOSSIER),
    "GetDossier": _BOTH,
    "ListDossiers": _OPERATOR,
    "ListMissingDossiers": _OPERATOR,
    "ListControlLog": _BOTH,
    "RecordControlCheck": access_for(Permission.CHECK_CONTROL_LOG),
}


def served(database: Database) -> Served:
    """The service over a database."""
    servicer = Dossiers(database)
    return Served(
        add=lambda server: dossiers_pb2_grpc.add_DossierServiceServicer_to_server(servicer, server),
        name="hoso.gradebook.v1.DossierService",
        access=ACCESS,
    )


class Dossiers(dossiers_pb2_grpc.DossierServiceServicer):
    """The servicer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def PutVendor(
        self, request: dossiers_pb2.PutVendorRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.PutVendorResponse:
        """Register a vendor."""
        vendor = request.vendor
        status = vendors.put_vendor(
            self._database,
            caller(),
            vendor.name,
            title=vendor.title,
            software=vendor.software,
            version=vendor.version,
        )
        return dossiers_pb2.PutVendorResponse(status=cast("dossiers_pb2.VendorStatus.ValueType", status))

    def AppraiseVendor(
        self, request: dossiers_pb2.AppraiseVendorRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.AppraiseVendorResponse:
        """Record an appraisal."""
        message = request.appraisal
        appraisal = Appraisal(
            message.status, _document(message.decision), message.valid_from, message.valid_to, message.note
        )
        vendors.appraise_vendor(self._database, caller(), request.vendor, appraisal)
        return dossiers_pb2.AppraiseVendorResponse()

    def ListVendors(
        self, request: dossiers_pb2.ListVendorsRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.ListVendorsResponse:
        """A page of vendors."""
        limit = page_size(request.page_size)
        listed = vendors.list_vendors(self._database, request.status, _after(request.page_token), limit)
        return dossiers_pb2.ListVendorsResponse(
            vendors=[_vendor_message(row) for row in listed],
            next_page_token=pages.encode((listed[-1].name,)) if len(listed) == limit else "",
        )

    def PutDossierRound(
        self, request: dossiers_pb2.PutDossierRoundRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.PutDossierRoundResponse:
        """Open a round."""
        message = request.round
        deadline = _moment("round.deadline", message.deadline)
        dossier_round = Round(
            message.school_year, deadline, tuple(message.direct_schools), tuple(message.offices), message.note
        )
        dossier_rounds.put_round(self._database, caller(), dossier_round)
        return dossiers_pb2.PutDossierRoundResponse()

    def SaveDossier(
        self, request: dossiers_pb2.SaveDossierRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.SaveDossierResponse:
        """Write a draft."""
        items = _items(request.items)
        saved = dossiers.save_dossier(self._database, caller(), request.school, request.school_year, items)
        return dossiers_pb2.SaveDossierResponse(dossier=_dossier_message(saved))

    def SubmitDossier(
        self, request: dossiers_pb2.SubmitDossierRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.SubmitDossierResponse:
        """Hand a dossier in."""
        dossier = dossiers.submit_dossier(self._database, caller(), request.school, request.school_year)
        return dossiers_pb2.SubmitDossierResponse(dossier=_dossier_message(dossier))

    def ForwardList(
        self, request: dossiers_pb2.ForwardListRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.ForwardListResponse:
        """Record a consolidated list."""
        late = dossier_rounds.forward_list(
            self._database,
            caller(),
            request.school_year,
            request.office,
            _document(request.list),
            received=_moment("received_time", request.received_time) if request.HasField("received_time") else None,
            schools=request.schools,
        )
        return dossiers_pb2.ForwardListResponse(late=late)

    def StartReview(
        self, request: dossiers_pb2.StartReviewRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.StartReviewResponse:
        """Take a dossier into review."""
        dossier = dossiers.start_review(self._database, caller(), request.school, request.school_year)
        return dossiers_pb2.StartReviewResponse(dossier=_dossier_message(dossier))

    def DecideDossier(
        self, request: dossiers_pb2.DecideDossierRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.DecideDossierResponse:
        """Approve or reject."""
        decision = Decision(request.state, request.reason, _document(request.decision), request.note)
        dossier = dossiers.decide_dossier(self._database, caller(), request.school, request.school_year, decision)
        return dossiers_pb2.DecideDossierResponse(dossier=_dossier_message(dossier))

    def GetDossier(
        self, request: dossiers_pb2.GetDossierRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.GetDossierResponse:
        """One dossier."""
        dossier = dossiers.get_dossier(self._database, caller(), request.school, request.school_year, request.version)
        return dossiers_pb2.GetDossierResponse(dossier=_dossier_message(dossier))

    def ListDossiers(
        self, request: dossiers_pb2.ListDossiersRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.ListDossiersResponse:
        """A page of dossiers."""
        limit = page_size(request.page_size)
        after = _after(request.page_token)
        listed = dossiers.list_dossiers(self._database, request.school_year, request.state, after, limit)
        messages = [_dossier_message(dossier) for dossier in listed]
        for message in messages:
            message.ClearField("items")
        return dossiers_pb2.ListDossiersResponse(
            dossiers=messages,
            next_page_token=pages.encode((listed[-1].row.school,)) if len(listed) == limit else "",
        )

    def ListMissingDossiers(
        self, request: dossiers_pb2.ListMissingDossiersRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.ListMissingDossiersResponse:
        """A page of schools that handed in nothing."""
        limit = page_size(request.page_size)
        missing = dossier_rounds.list_missing(self._database, request.school_year, _after(request.page_token), limit)
        return dossiers_pb2.ListMissingDossiersResponse(
            schools=[
                dossiers_pb2.MissingSchool(
                    school=school.school,
                    name=school.name,
                    level=cast("common_pb2.SchoolLevel.ValueType", school.level),
                    route=_route_number(route),
                    state=cast("dossiers_pb2.DossierState.ValueType", school.state),
                )
                for school, route in missing
            ],
            next_page_token=pages.encode((missing[-1][0].school,)) if len(missing) == limit else "",
        )

    def ListControlLog(
        self, request: dossiers_pb2.ListControlLogRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.ListControlLogResponse:
        """A page of the control log."""
        limit = page_size(request.page_size)
        after = _log_key(request.page_token)
        rows = control_log.list_log(
            self._database, caller(), request.school, request.school_year, after=after, limit=limit
        )
        token = ""
        if len(rows) == limit:
            last = rows[-1]
            token = pages.encode((last.time.isoformat(), last.chain, str(last.sequence)))
        return dossiers_pb2.ListControlLogResponse(entries=[_log_message(row) for row in rows], next_page_token=token)

    def RecordControlCheck(
        self, request: dossiers_pb2.RecordControlCheckRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.RecordControlCheckResponse:
        """Record a check of the log."""
        sequence = control_log.record_check(
            self._database,
            caller(),
            request.school,
            request.school_year,
            up_to=request.up_to,
            remark=request.remark,
        )
        return dossiers_pb2.RecordControlCheckResponse(sequence=sequence)


def _moment(field: str, stamp: Timestamp) -> datetime:
    return moment(field, stamp.seconds, stamp.nanos)


def _after(page_token: str) -> str:
    (after,) = cast(tuple[str], pages.decode(page_token, ("",)))
    return after


def _log_key(page_token: str) -> tuple[datetime, str, int] | None:
    """Where a page of the log begins. Raises Invalid PAGE_TOKEN."""
    if not page_token:
        return None
    time, chain, sequence = cast(tuple[str, str, str], pages.decode(page_token, ("", "", "")))
    message = "Mã trang không hợp lệ; hãy dùng mã của trang trước."
    wrong = Invalid([Violation("page_token", "PAGE_TOKEN", message)])
    try:
        when, number = datetime.fromisoformat(time), int(sequence)
    except ValueError as e:
        raise wrong from e
    if when.tzinfo is None or not 0 < number < _LARGEST_SEQUENCE:
        raise wrong
    return when, chain, number


def _document(message: dossiers_pb2.Document) -> Document:
    return Document(
        message.title, message.number, message.issued_on, message.sha256.hex(), message.size_bytes, message.kept_at
    )


def _items(message: dossiers_pb2.DossierItems) -> Items:
    def given(name: str) -> Document | None:
        return _document(getattr(message, name)) if message.HasField(name) else None  # type: ignore[arg-type]

    return Items(
        renewal=message.renewal,
        petition=given("petition"),
        software=tuple(message.software),
        portal_link=message.portal_link,
        regulation_decision=given("regulation_decision"),
        regulation=given("regulation"),
        assignment_decision=given("assignment_decision"),
        assignment=tuple(Duty(duty.person, duty.duty) for duty in message.assignment),
        entry_plan=given("entry_plan"),
        windows=tuple(message.windows),
        assessment_plan=given("assessment_plan"),
    )


def _document_message(document: Document | None) -> dossiers_pb2.Document | None:
    if document is None:
        return None
    return dossiers_pb2.Document(
        title=document.title,
        number=document.number,
        issued_on=document.issued_on,
        sha256=bytes.fromhex(document.sha256),
        size_bytes=document.size_bytes,
        kept_at=document.kept_at,
    )


def _items_message(items: Items) -> dossiers_pb2.DossierItems:
    return dossiers_pb2.DossierItems(
        renewal=items.renewal,
        petition=_document_message(items.petition),
        software=items.software,
        portal_link=cast("dossiers_pb2.PortalLink.ValueType", items.portal_link),
        regulation_decision=_document_message(items.regulation_decision),
        regulation=_document_message(items.regulation),
        assignment_decision=_document_message(items.assignment_decision),
        assignment=[dossiers_pb2.StaffDuty(person=duty.person, duty=duty.duty) for duty in items.assignment],
        entry_plan=_document_message(items.entry_plan),
        windows=items.windows,
        assessment_plan=_document_message(items.assessment_plan),
    )


def _dossier_message(dossier: Routed) -> dossiers_pb2.Dossier:
    row = dossier.row
    return dossiers_pb2.Dossier(
        school=row.school,
        school_year=row.school_year,
        version=row.version,
        state=cast("dossiers_pb2.DossierState.ValueType", row.state),
        route=_route_number(dossier.route),
        items=_items_message(row.items),
        software=row.software,
        items_sha256=row.items_sha256,
        submitted_time=timestamp(row.submitted_time),
        late=row.late,
        reason=cast("dossiers_pb2.RejectionReason.ValueType", row.reason),
        decision=_document_message(row.decision),
        history=_steps(dossier.history),
    )


def _steps(history: Sequence[StepRow]) -> list[dossiers_pb2.DossierStep]:
    return [
        dossiers_pb2.DossierStep(
            from_state=cast("dossiers_pb2.DossierState.ValueType", step.from_state),
            to_state=cast("dossiers_pb2.DossierState.ValueType", step.to_state),
            person=step.person,
            client=step.client,
            time=timestamp(step.time),
            note=step.note,
        )
        for step in history
    ]


def _vendor_message(vendor: VendorRow) -> dossiers_pb2.Vendor:
    appraisal = None
    if vendor.appraised_status is not None:
        appraisal = dossiers_pb2.Appraisal(
            status=cast("dossiers_pb2.VendorStatus.ValueType", vendor.appraised_status),
            decision=_document_message(document_of(vendor.decision)),
            valid_from=vendor.valid_from.isoformat() if vendor.valid_from else "",
            valid_to=vendor.valid_to.isoformat() if vendor.valid_to else "",
            note=vendor.note or "",
            version=vendor.appraised_version or "",
        )
    return dossiers_pb2.Vendor(
        name=vendor.name,
        title=vendor.title,
        software=vendor.software,
        version=vendor.version,
        status=cast("dossiers_pb2.VendorStatus.ValueType", vendor.status),
        appraisal=appraisal,
    )


def _log_message(row: LogRow) -> dossiers_pb2.ControlLogEntry:
    return dossiers_pb2.ControlLogEntry(
        sequence=0 if row.chain == "access" else row.sequence,
        time=timestamp(row.time),
        action=row.action,
        title=log_words.title(row.action),
        subject=row.subject,
        person=row.person,
        client=row.client,
        facts=row.facts,
        row_sha256=row.sha256,
    )


def _route_number(route: Route) -> "dossiers_pb2.DossierRoute.ValueType":
    return cast("dossiers_pb2.DossierRoute.ValueType", int(route))
