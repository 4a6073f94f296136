"""Who may call what: the whole table, so that a new RPC cannot slip in without a decision."""

import pytest
from hoso.gradebook.v1 import (
    achievements_pb2,
    books_pb2,
    class_book_pb2,
    corrections_pb2,
    dossiers_pb2,
    exemptions_pb2,
    marks_pb2,
    register_pb2,
    remarks_pb2,
    review_pb2,
    roster_pb2,
)

from services.common import identity
from services.common.errors import Forbidden
from services.common.identity import Access
from services.gradebook.api import (
    achievement_service,
    book_service,
    class_book_service,
    correction_service,
    dossier_service,
    exemption_service,
    mark_service,
    register_service,
    remark_service,
    review_service,
    roster_service,
)

CLIENTS = (
    "vendor/smas",
    "operator/department",
    "operator/other",
    "service/gradebook",
    "service/print",
    "service/signing",
    "service/archive",
    "system",
    "vendor",
)
VENDOR = {"vendor/smas"}
OFFICE = {"operator/department"}
EVERY_SERVICE = {client for client in CLIENTS if client.startswith("service/")}
TABLES = {
    "RosterService": (roster_pb2, roster_service.ACCESS),
    "MarkService": (marks_pb2, mark_service.ACCESS),
    "BookService": (books_pb2, book_service.ACCESS),
    "ReviewService": (review_pb2, review_service.ACCESS),
    "CorrectionService": (corrections_pb2, correction_service.ACCESS),
    "ExemptionService": (exemptions_pb2, exemption_service.ACCESS),
    "ClassBookService": (class_book_pb2, class_book_service.ACCESS),
    "DossierService": (dossiers_pb2, dossier_service.ACCESS),
    "RegisterService": (register_pb2, register_service.ACCESS),
    "RemarkService": (remarks_pb2, remark_service.ACCESS),
    "AchievementService": (achievements_pb2, achievement_service.ACCESS),
}
OTHERS = {
    "PutPeople": VENDOR | OFFICE,
    "PutSchool": OFFICE,
    "PutSchoolYear": OFFICE,
    "PutAssessmentPolicy": OFFICE,
    "GetAssessmentPolicy": VENDOR | OFFICE,
    "GetSchool": VENDOR | OFFICE,
    "ListClasses": VENDOR | OFFICE,
    "ListWindows": VENDOR | OFFICE,
    "GetWindow": VENDOR | OFFICE,
    "GetCompleteness": VENDOR | OFFICE,
    "ReviewClass": VENDOR | OFFICE,
    "GetCorrection": VENDOR | OFFICE,
    "ListCorrections": VENDOR | OFFICE,
    "ListBooks": VENDOR | OFFICE,
    "GetRegister": VENDOR | OFFICE,
    "ListMovements": VENDOR | OFFICE,
    "ListRecordBooks": VENDOR | OFFICE,
    "GetBook": VENDOR | OFFICE,
    "PutVendor": OFFICE,
    "AppraiseVendor": OFFICE,
    "ListVendors": OFFICE,
    "PutDossierRound": OFFICE,
    "ForwardList": OFFICE,
    "StartReview": OFFICE,
    "DecideDossier": OFFICE,
    "GetDossier": VENDOR | OFFICE,
    "ListDossiers": OFFICE,
    "ListMissingDossiers": OFFICE,
    "ListControlLog": VENDOR | OFFICE,
    "DownloadSnapshot": {"service/archive"},
    "GetSnapshotFacts": {"service/archive"},
    "GetBookFacts": EVERY_SERVICE - {"service/gradebook"},
    "DownloadBookContent": VENDOR | {"service/print"},
}
WITHOUT_PERSON = (
    "PutPeople",
    "PutSubjects",
    "PutStudents",
    "Get",
    "List",
    "Review",
    "Download",
    "ExportMarks",
    "ImportMarks",
)
"""RPCs beginning with these are a vendor's own acts and reads; every other act is a person's or the
Department's.

In an import each sheet may carry its own teacher's token, so that the use case asks for the person,
not the edge; so it does for PutPeople, where the Department acts without a person.
"""


@pytest.mark.parametrize("service", TABLES)
def test_every_rpc_has_its_clients_and_says_whether_a_person_acts(service: str) -> None:
    contract, table = TABLES[service]
    rpcs = {method.name for method in contract.DESCRIPTOR.services_by_name[service].methods}
    assert set(table) == rpcs
    for rpc in rpcs:
        allowed = set()
        for client in CLIENTS:
            try:
                identity.check_access(rpc, client, Access(table[rpc].clients), has_person=True)
            except Forbidden:
                continue
            allowed.add(client)
        assert allowed == OTHERS.get(rpc, VENDOR), rpc
        assert table[rpc].person is (bool(allowed & VENDOR) and not rpc.startswith(WITHOUT_PERSON)), rpc
