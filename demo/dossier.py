"""How the demo school is authorised: appraised vendor, round, dossier, list, review, approval."""

import datetime as dt
import hashlib
from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from hoso.gradebook.v1 import dossiers_pb2

from cli.connection import Persons, Services, call
from demo.school import School
from services.common.errors import NotFound

VENDOR = "smas"
_ISSUED_ON = "2025-08-25"
_DUTIES = ("Chỉ đạo, kiểm tra sổ theo dõi, duyệt sửa điểm", "Quản trị dữ liệu, in, đối chiếu và lưu sổ")


def adopt(operator: Services, vendor: Services, persons: Persons, school: School, windows: Sequence[str]) -> None:
    """Have the school authorised for its year; continues from the dossier's state.

    windows: names of the planned entry windows that item 5 refers to.
    """
    where = {"school": school.code, "school_year": school.school_year}
    state = _state(operator, school)
    if state == dossiers_pb2.DOSSIER_STATE_APPROVED:
        return
    _prepare(operator, school)
    principal = persons.token(school.principal)
    if state in (dossiers_pb2.DOSSIER_STATE_UNSPECIFIED, dossiers_pb2.DOSSIER_STATE_DRAFT):
        save = dossiers_pb2.SaveDossierRequest(items=_items(school, windows), **where)
        call(vendor.dossiers.SaveDossier, save, principal, patient=True)
        call(vendor.dossiers.SubmitDossier, dossiers_pb2.SubmitDossierRequest(**where), principal, patient=True)
    forward = dossiers_pb2.ForwardListRequest(
        school_year=school.school_year,
        office=school.commune,
        list=_document(f"Danh sách trường THCS được phép, {school.code}", "12/UBND-VHXH"),
        schools=[school.code],
    )
    call(operator.dossiers.ForwardList, forward, patient=True)
    call(operator.dossiers.StartReview, dossiers_pb2.StartReviewRequest(**where), patient=True)
    decide = dossiers_pb2.DecideDossierRequest(
        school=school.code,
        school_year=school.school_year,
        state=dossiers_pb2.DOSSIER_STATE_APPROVED,
        decision=_document("Văn bản cho phép sử dụng sổ điểm điện tử", "3500/SGDĐT-GDTrH"),
    )
    call(operator.dossiers.DecideDossier, decide, patient=True)


def _state(operator: Services, school: School) -> int:
    try:
        request = dossiers_pb2.GetDossierRequest(school=school.code, school_year=school.school_year)
        answer = call(operator.dossiers.GetDossier, request, patient=True)
    except NotFound:
        return dossiers_pb2.DOSSIER_STATE_UNSPECIFIED
    return answer.dossier.state


def _prepare(operator: Services, school: School) -> None:
    """The Department's part: appraise the vendor, open the round."""
    software = "Hệ thống quản lý nhà trường SMAS"
    registered = dossiers_pb2.Vendor(name=VENDOR, title="SMAS", software=software, version="4.0")
    call(operator.dossiers.PutVendor, dossiers_pb2.PutVendorRequest(vendor=registered), patient=True)
    appraisal = dossiers_pb2.Appraisal(
        status=dossiers_pb2.VENDOR_STATUS_APPRAISED,
        decision=_document("Kết quả thẩm định phần mềm SMAS", "30/TTTT-TĐ"),
        valid_from=_ISSUED_ON,
    )
    request = dossiers_pb2.AppraiseVendorRequest(vendor=VENDOR, appraisal=appraisal)
    call(operator.dossiers.AppraiseVendor, request, patient=True)
    deadline = Timestamp()
    deadline.FromDatetime(dt.datetime.now(dt.UTC) + dt.timedelta(days=30))
    opened = dossiers_pb2.DossierRound(school_year=school.school_year, deadline=deadline, note="3368/GDĐT-TrH")
    call(operator.dossiers.PutDossierRound, dossiers_pb2.PutDossierRoundRequest(round=opened), patient=True)


def _items(school: School, windows: Sequence[str]) -> dossiers_pb2.DossierItems:
    in_charge = (school.principal, school.data_officer)
    return dossiers_pb2.DossierItems(
        petition=_document("Tờ trình sử dụng sổ điểm điện tử SMAS", "01/TTr-THCS"),
        software=[VENDOR],
        portal_link=dossiers_pb2.PORTAL_LINK_CONNECTED,
        regulation_decision=_document("Quyết định ban hành quy chế sử dụng sổ điểm điện tử", "02/QĐ-THCS"),
        regulation=_document("Quy chế quản lý, sử dụng sổ điểm điện tử", "02/QC-THCS"),
        assignment_decision=_document("Quyết định phân công tổ phụ trách sổ điểm điện tử", "03/QĐ-THCS"),
        assignment=[
            dossiers_pb2.StaffDuty(person=person, duty=duty) for person, duty in zip(in_charge, _DUTIES, strict=True)
        ],
        entry_plan=_document("Kế hoạch ghi điểm, lưu điểm và in sổ điểm điện tử", "04/KH-THCS"),
        windows=windows,
        assessment_plan=_document("Kế hoạch kiểm tra đánh giá của nhà trường", "05/KH-THCS"),
    )


def _document(title: str, number: str) -> dossiers_pb2.Document:
    """An invented document; its digest stands for a file that the demo does not make."""
    return dossiers_pb2.Document(
        title=title,
        number=number,
        issued_on=_ISSUED_ON,
        sha256=hashlib.sha256(title.encode()).digest(),
        size_bytes=len(title.encode()),
        kept_at="Văn thư nhà trường",
    )
