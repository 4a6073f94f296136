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
from services.gradebook.authority import control_log, dossiers, vendors
from services.gradebook.authority.control_log_store import LogRow
from services.gradebook.authority.dossier_store import StepRow
from services.gradebook.authority.dossiers import Routed
from services.gradebook.authority.vendor_store import VendorRow
from services.gradebook.authority.vendors import Appraisal
from services.gradebook.model import control_log_words as log_words
from services.gradebook.model.checks import moment
from services.gradebook.model.dossier_rules import Document, Duty, Items, Round, Route, document_of
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
        one = request.vendor
        status = vendors.put_vendor(self._database, caller(), one.name, one.title, one.software, one.version)
        return dossiers_pb2.PutVendorResponse(status=cast("dossiers_pb2.VendorStatus.ValueType", status))

    def AppraiseVendor(
        self, request: dossiers_pb2.AppraiseVendorRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.AppraiseVendorResponse:
        """Record an appraisal."""
        one = request.appraisal
        appraisal = Appraisal(one.status, _document(one.decision), one.valid_from, one.valid_to, one.note)
        vendors.appraise_vendor(self._database, caller(), request.vendor, appraisal)
        return dossiers_pb2.AppraiseVendorResponse()

    def ListVendors(
        self, request: dossiers_pb2.ListVendorsRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.ListVendorsResponse:
        """A page of vendors."""
        limit = page_size(request.page_size)
        found = vendors.list_vendors(self._database, request.status, _after(request.page_token), limit)
        return dossiers_pb2.ListVendorsResponse(
            vendors=[_vendor_message(one) for one in found],
            next_page_token=pages.encode((found[-1].name,)) if len(found) == limit else "",
        )

    def PutDossierRound(
        self, request: dossiers_pb2.PutDossierRoundRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.PutDossierRoundResponse:
        """Open a round."""
        one = request.round
        deadline = _moment("round.deadline", one.deadline)
        offered = Round(one.school_year, deadline, tuple(one.direct_schools), tuple(one.offices), one.note)
        dossiers.put_round(self._database, caller(), offered)
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
        found = dossiers.submit_dossier(self._database, caller(), request.school, request.school_year)
        return dossiers_pb2.SubmitDossierResponse(dossier=_dossier_message(found))

    def ForwardList(
        self, request: dossiers_pb2.ForwardListRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.ForwardListResponse:
        """Record a consolidated list."""
        late = dossiers.forward_list(
            self._database,
            caller(),
            request.school_year,
            request.office,
            _document(request.list),
            _moment("received_time", request.received_time) if request.HasField("received_time") else None,
            request.schools,
        )
        return dossiers_pb2.ForwardListResponse(late=late)

    def StartReview(
        self, request: dossiers_pb2.StartReviewRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.StartReviewResponse:
        """Take a dossier into review."""
        found = dossiers.start_review(self._database, caller(), request.school, request.school_year)
        return dossiers_pb2.StartReviewResponse(dossier=_dossier_message(found))

    def DecideDossier(
        self, request: dossiers_pb2.DecideDossierRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.DecideDossierResponse:
        """Approve or reject."""
        found = dossiers.decide_dossier(
            self._database,
            caller(),
            request.school,
            request.school_year,
            request.state,
            request.reason,
            _document(request.decision),
            request.note,
        )
        return dossiers_pb2.DecideDossierResponse(dossier=_dossier_message(found))

    def GetDossier(
        self, request: dossiers_pb2.GetDossierRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.GetDossierResponse:
        """One dossier."""
        found = dossiers.get_dossier(self._database, caller(), request.school, request.school_year, request.version)
        return dossiers_pb2.GetDossierResponse(dossier=_dossier_message(found))

    def ListDossiers(
        self, request: dossiers_pb2.ListDossiersRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.ListDossiersResponse:
        """A page of dossiers."""
        limit = page_size(request.page_size)
        after = _after(request.page_token)
        found = dossiers.list_dossiers(self._database, request.school_year, request.state, after, limit)
        messages = [_dossier_message(one) for one in found]
        for message in messages:
            message.ClearField("items")
        return dossiers_pb2.ListDossiersResponse(
            dossiers=messages,
            next_page_token=pages.encode((found[-1].row.school,)) if len(found) == limit else "",
        )

    def ListMissingDossiers(
        self, request: dossiers_pb2.ListMissingDossiersRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.ListMissingDossiersResponse:
        """A page of schools that handed in nothing."""
        limit = page_size(request.page_size)
        found = dossiers.list_missing(self._database, request.school_year, _after(request.page_token), limit)
        return dossiers_pb2.ListMissingDossiersResponse(
            schools=[
                dossiers_pb2.MissingSchool(
                    school=one.school,
                    name=one.name,
                    level=cast("common_pb2.SchoolLevel.ValueType", one.level),
                    route=_route_number(route),
                    state=cast("dossiers_pb2.DossierState.ValueType", one.state),
                )
                for one, route in found
            ],
            next_page_token=pages.encode((found[-1][0].school,)) if len(found) == limit else "",
        )

    def ListControlLog(
        self, request: dossiers_pb2.ListControlLogRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.ListControlLogResponse:
        """A page of the control log."""
        limit = page_size(request.page_size)
        after = _log_key(request.page_token)
        found = control_log.list_log(self._database, caller(), request.school, request.school_year, after, limit)
        token = ""
        if len(found) == limit:
            last = found[-1]
            token = pages.encode((last.time.isoformat(), last.chain, str(last.sequence)))
        return dossiers_pb2.ListControlLogResponse(entries=[_log_message(one) for one in found], next_page_token=token)

    def RecordControlCheck(
        self, request: dossiers_pb2.RecordControlCheckRequest, context: grpc.ServicerContext
    ) -> dossiers_pb2.RecordControlCheckResponse:
        """Record a check of the log."""
        sequence = control_log.record_check(
            self._database, caller(), request.school, request.school_year, request.up_to, request.remark
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


def _document(one: dossiers_pb2.Document) -> Document:
    return Document(one.title, one.number, one.issued_on, one.sha256.hex(), one.size_bytes, one.kept_at)


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
        assignment=tuple(Duty(one.person, one.duty) for one in message.assignment),
        entry_plan=given("entry_plan"),
        windows=tuple(message.windows),
        assessment_plan=given("assessment_plan"),
    )


def _document_message(one: Document | None) -> dossiers_pb2.Document | None:
    if one is None:
        return None
    return dossiers_pb2.Document(
        title=one.title,
        number=one.number,
        issued_on=one.issued_on,
        sha256=bytes.fromhex(one.sha256),
        size_bytes=one.size_bytes,
        kept_at=one.kept_at,
    )


def _items_message(one: Items) -> dossiers_pb2.DossierItems:
    return dossiers_pb2.DossierItems(
        renewal=one.renewal,
        petition=_document_message(one.petition),
        software=one.software,
        portal_link=cast("dossiers_pb2.PortalLink.ValueType", one.portal_link),
        regulation_decision=_document_message(one.regulation_decision),
        regulation=_document_message(one.regulation),
        assignment_decision=_document_message(one.assignment_decision),
        assignment=[dossiers_pb2.StaffDuty(person=duty.person, duty=duty.duty) for duty in one.assignment],
        entry_plan=_document_message(one.entry_plan),
        windows=one.windows,
        assessment_plan=_document_message(one.assessment_plan),
    )


def _dossier_message(found: Routed) -> dossiers_pb2.Dossier:
    one = found.row
    return dossiers_pb2.Dossier(
        school=one.school,
        school_year=one.school_year,
        version=one.version,
        state=cast("dossiers_pb2.DossierState.ValueType", one.state),
        route=_route_number(found.route),
        items=_items_message(one.items),
        software=one.software,
        items_sha256=one.items_sha256,
        submitted_time=timestamp(one.submitted_time),
        late=one.late,
        reason=cast("dossiers_pb2.RejectionReason.ValueType", one.reason),
        decision=_document_message(one.decision),
        history=_steps(found.history),
    )


def _steps(history: Sequence[StepRow]) -> list[dossiers_pb2.DossierStep]:
    return [
        dossiers_pb2.DossierStep(
            from_state=cast("dossiers_pb2.DossierState.ValueType", one.from_state),
            to_state=cast("dossiers_pb2.DossierState.ValueType", one.to_state),
            person=one.person,
            client=one.client,
            time=timestamp(one.time),
            note=one.note,
        )
        for one in history
    ]


def _vendor_message(one: VendorRow) -> dossiers_pb2.Vendor:
    appraisal = None
    if one.appraised_status is not None:
        appraisal = dossiers_pb2.Appraisal(
            status=cast("dossiers_pb2.VendorStatus.ValueType", one.appraised_status),
            decision=_document_message(document_of(one.decision)),
            valid_from=one.valid_from.isoformat() if one.valid_from else "",
            valid_to=one.valid_to.isoformat() if one.valid_to else "",
            note=one.note or "",
            version=one.appraised_version or "",
        )
    return dossiers_pb2.Vendor(
        name=one.name,
        title=one.title,
        software=one.software,
        version=one.version,
        status=cast("dossiers_pb2.VendorStatus.ValueType", one.status),
        appraisal=appraisal,
    )


def _log_message(one: LogRow) -> dossiers_pb2.ControlLogEntry:
    return dossiers_pb2.ControlLogEntry(
        sequence=0 if one.chain == "access" else one.sequence,
        time=timestamp(one.time),
        action=one.action,
        title=log_words.title(one.action),
        subject=one.subject,
        person=one.person,
        client=one.client,
        facts=one.facts,
        row_sha256=one.sha256,
    )


def _route_number(route: Route) -> "dossiers_pb2.DossierRoute.ValueType":
    return cast("dossiers_pb2.DossierRoute.ValueType", int(route))
