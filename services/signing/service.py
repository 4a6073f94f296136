"""SigningService over gRPC: messages ↔ arguments. See proto/hoso/signing/v1/signing.proto."""

import uuid
from collections.abc import Iterator

import grpc
from hoso.signing.v1 import signing_pb2 as pb
from hoso.signing.v1 import signing_pb2_grpc

from services.common import chunks, identity
from services.common.db import Database
from services.common.errors import Invalid, Violation
from services.common.grpc_server import Served
from services.common.identity import Access
from services.common.message_fields import before_id, page_size, timestamp
from services.signing import store, usecases
from services.signing.domain import Document, Required, Signatory
from services.signing.token_client import TokenClient

_READERS = Access(clients=("vendor/*", "operator/*", "service/*"))
_KEEPERS = Access(clients=("vendor/*", "operator/*"), person=True)
_KEEPERS_OR_OPERATOR = Access(clients=("vendor/*", "operator/*"))
ACCESS = {
    "PutSignatory": Access(clients=("operator/*",)),
    "ListSignatories": _READERS,
    "ActivateKey": _KEEPERS,
    "DeactivateKey": _KEEPERS_OR_OPERATOR,
    "ListPending": _KEEPERS_OR_OPERATOR,
    "GetDocument": _READERS,
    "ListDocuments": _READERS,
    "DownloadDocument": _READERS,
    "GetJournal": _READERS,
}
_CUSTODIES = {pb.KEY_CUSTODY_HSM_PARTITION: "HSM_PARTITION", pb.KEY_CUSTODY_USB_TOKEN_AT_SCHOOL: "USB_TOKEN_AT_SCHOOL"}


def served(database: Database, tokens: TokenClient) -> Served:
    """The service, ready for `grpc_server.serve`."""
    servicer = Signing(database, tokens)
    return Served(
        add=lambda server: signing_pb2_grpc.add_SigningServiceServicer_to_server(servicer, server),
        name="hoso.signing.v1.SigningService",
        access=ACCESS,
    )


class Signing(signing_pb2_grpc.SigningServiceServicer):
    """The servicer; errors are raised as those of `services.common.errors`."""

    def __init__(self, database: Database, tokens: TokenClient) -> None:
        self._database = database
        self._tokens = tokens

    def PutSignatory(self, request: pb.PutSignatoryRequest, context: grpc.ServicerContext) -> pb.PutSignatoryResponse:
        """Register or update a signatory."""
        one = request.signatory
        signatory = Signatory(
            id=one.id,
            school=one.school,
            name=one.name,
            seal=one.seal,
            custodian=one.custodian,
            key_uri=one.key_uri,
            algorithm=one.algorithm,
            custody=_CUSTODIES.get(one.custody, ""),
            certificate_chain=tuple(one.certificate_chain),
        )
        usecases.put_signatory(self._database, signatory)
        return pb.PutSignatoryResponse()

    def ListSignatories(
        self, request: pb.ListSignatoriesRequest, context: grpc.ServicerContext
    ) -> pb.ListSignatoriesResponse:
        """The signatories of a school."""
        identity.may_read(request.school)
        size = page_size(request.page_size)
        with self._database.transaction() as tx:
            found = store.signatories(tx, request.school, after=request.page_token, limit=size)
        token = found[-1].id if len(found) == size else ""
        return pb.ListSignatoriesResponse(signatories=map(_signatory, found), next_page_token=token)

    def ActivateKey(self, request: pb.ActivateKeyRequest, context: grpc.ServicerContext) -> pb.ActivateKeyResponse:
        """Unlock the acting person's key."""
        end = usecases.activate_key(
            self._database,
            self._tokens,
            request.signatory,
            request.pin,
            max_signatures=request.max_signatures,
            duration_s=request.duration_seconds,
        )
        return pb.ActivateKeyResponse(expire_time=timestamp(end))

    def DeactivateKey(
        self, request: pb.DeactivateKeyRequest, context: grpc.ServicerContext
    ) -> pb.DeactivateKeyResponse:
        """Lock a key."""
        usecases.deactivate_key(self._database, self._tokens, request.signatory)
        return pb.DeactivateKeyResponse()

    def ListPending(self, request: pb.ListPendingRequest, context: grpc.ServicerContext) -> pb.ListPendingResponse:
        """What waits for a signatory."""
        found = usecases.list_pending(self._database, self._tokens, request.signatory)
        pending = [
            pb.PendingSignature(document=str(one.document), book=one.book, field=one.field, due=one.due)
            for one in found.pending
        ]
        return pb.ListPendingResponse(
            pending=pending, key_active=found.key_active, signatures_left=found.signatures_left
        )

    def GetDocument(self, request: pb.GetDocumentRequest, context: grpc.ServicerContext) -> pb.GetDocumentResponse:
        """One document."""
        name = _uuid(request.document)
        with self._database.transaction() as tx:
            found = store.document(tx, name)
            required = store.required(tx, [name])[name]
        identity.may_read(found.school)
        return pb.GetDocumentResponse(document=_document(found, required))

    def ListDocuments(
        self, request: pb.ListDocumentsRequest, context: grpc.ServicerContext
    ) -> pb.ListDocumentsResponse:
        """The documents of a school."""
        identity.may_read(request.school)
        size = page_size(request.page_size)
        before = before_id(request.page_token)
        with self._database.transaction() as tx:
            found = store.documents(tx, request.school, before=before, limit=size)
            required = store.required(tx, [one.id for one in found])
        token = str(found[-1].number) if len(found) == size else ""
        documents = [_document(one, required[one.id]) for one in found]
        return pb.ListDocumentsResponse(documents=documents, next_page_token=token)

    def DownloadDocument(
        self, request: pb.DownloadDocumentRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.DownloadDocumentResponse]:
        """The newest revision."""
        with self._database.transaction() as tx:
            found = store.document(tx, _uuid(request.document))
            identity.may_read(found.school)
            pdf = store.pdf(tx, found)
        for piece in chunks.split(pdf):
            yield pb.DownloadDocumentResponse(chunk=piece)

    def GetJournal(self, request: pb.GetJournalRequest, context: grpc.ServicerContext) -> pb.GetJournalResponse:
        """The signing journal of a document."""
        name = _uuid(request.document)
        with self._database.transaction() as tx:
            identity.may_read(store.document(tx, name).school)
            entries = store.journal(tx, name)
        return pb.GetJournalResponse(entries=map(_entry, entries))


def _signatory(one: Signatory) -> pb.Signatory:
    return pb.Signatory(
        id=one.id,
        school=one.school,
        name=one.name,
        seal=one.seal,
        custodian=one.custodian,
        key_uri=one.key_uri,
        certificate_chain=one.certificate_chain,
        algorithm=one.algorithm,
        custody=next(number for number, name in _CUSTODIES.items() if name == one.custody),
    )


def _document(one: Document, required: list[Required]) -> pb.Document:
    return pb.Document(
        id=str(one.id),
        book=one.book,
        version=one.version,
        school=one.school,
        state=pb.DocumentState.Value(f"DOCUMENT_STATE_{one.state}"),
        content_sha256=one.content_sha256,
        pdf_sha256=one.pdf_sha256,
        pdf_size_bytes=one.pdf_size_bytes,
        signatures=map(_signature, required),
    )


def _signature(one: Required) -> pb.Signature:
    return pb.Signature(
        field=one.field,
        order=one.position,
        rank=one.rank,
        role=one.role,
        signatory=one.signatory,
        sign_time=timestamp(one.sign_time) if one.sign_time else None,
        certificate_sha256=one.certificate_sha256,
        level=one.level,
        name=one.name,
    )


def _entry(one: store.JournalEntry) -> pb.JournalEntry:
    return pb.JournalEntry(
        field=one.field,
        signatory=one.signatory,
        event=one.event,
        digest=one.digest,
        time=timestamp(one.time),
        reason=one.reason,
    )


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError as e:
        raise Invalid([Violation("document", "NOT_A_UUID", "Mã tài liệu không hợp lệ.")]) from e
