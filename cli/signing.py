"""`hoso keys`: signatories, activation of keys, documents under signature and their journal."""

import json
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hoso.signing.v1 import signing_pb2

from cli.connection import Services, call, download, operator
from cli.output import console, show
from services.common.config import read_secret

app = typer.Typer(no_args_is_help=True)

_PAGE = 500


@app.command("register")
def register(
    record: Annotated[Path, typer.Argument(help="Record that the key ceremony wrote (JSON).")],
    school: Annotated[str, typer.Option(help="School code; the key named like it is the school's seal.")],
    custodian: Annotated[str, typer.Option(help="Person id of the seal custodian.")],
) -> None:
    """Register every signatory of a key ceremony's record."""
    count = register_record(operator(), record, school, custodian)
    console.print(f"{count} signatories registered.")


def register_record(services: Services, record: Path, school: str, custodian: str) -> int:
    """Register the keys of a ceremony's record with their certificates; the number of signatories."""
    keys = json.loads(record.read_text(encoding="utf-8"))["keys"]
    for key in keys:
        seal = key["signatory"] == school
        chain = x509.load_pem_x509_certificates(Path(key["certificate_file"]).read_bytes())
        signatory = signing_pb2.Signatory(
            id=key["signatory"],
            school=school,
            name=key["name"],
            seal=seal,
            custodian=custodian if seal else "",
            key_uri=key["key_uri"],
            certificate_chain=[one.public_bytes(serialization.Encoding.DER) for one in chain],
            algorithm=key["algorithm"],
            custody=signing_pb2.KEY_CUSTODY_HSM_PARTITION,
        )
        call(services.signing.PutSignatory, signing_pb2.PutSignatoryRequest(signatory=signatory), patient=True)
    return len(keys)


@app.command("list")
def list_signatories(school: Annotated[str, typer.Argument(help="School code.")]) -> None:
    """The signatories of a school."""
    services = operator()
    request = signing_pb2.ListSignatoriesRequest(school=school, page_size=_PAGE)
    signatories = list(call(services.signing.ListSignatories, request).signatories)
    rows = [(s.id, s.name, "dấu" if s.seal else "cá nhân", s.algorithm, s.key_uri) for s in signatories]
    show(f"Người ký của trường {school}", ("id", "tên", "loại", "thuật toán", "khóa"), rows, signatories)


@app.command("activate")
def activate(
    signatory: Annotated[str, typer.Argument(help="Signatory id.")],
    token_file: Annotated[Path, typer.Option(help="File with the acting person's token, mode 0600.")],
    pin_file: Annotated[Path | None, typer.Option(help="File with the PIN, mode 0600; asked for when absent.")] = None,
    signatures: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    minutes: Annotated[int, typer.Option(min=1, max=720)] = 30,
) -> None:
    """Activate a key for a bounded time and number of signatures. The PIN is asked for or read from a file."""
    services = operator()
    pin = read_secret(pin_file) if pin_file else typer.prompt("PIN", hide_input=True)
    request = signing_pb2.ActivateKeyRequest(
        signatory=signatory, pin=pin, max_signatures=signatures, duration_seconds=minutes * 60
    )
    answer = call(services.signing.ActivateKey, request, read_secret(token_file))
    console.print(f"{signatory}: active until {answer.expire_time.ToJsonString()}")


@app.command("documents")
def documents(school: Annotated[str, typer.Argument(help="School code.")]) -> None:
    """Documents of a school under signature, newest first."""
    services = operator()
    request = signing_pb2.ListDocumentsRequest(school=school, page_size=_PAGE)
    found_documents = list(call(services.signing.ListDocuments, request).documents)
    rows = [
        (d.id, d.book, d.version, _state(d.state), f"{sum(bool(s.level) for s in d.signatures)}/{len(d.signatures)}")
        for d in found_documents
    ]
    show(f"Văn bản đang ký của trường {school}", ("id", "sổ", "bản", "trạng thái", "chữ ký"), rows, found_documents)


@app.command("journal")
def journal(document: Annotated[str, typer.Argument(help="Document id.")]) -> None:
    """The signing journal of a document."""
    services = operator()
    entries = list(call(services.signing.GetJournal, signing_pb2.GetJournalRequest(document=document)).entries)
    rows = [(e.time.ToJsonString(), e.event, e.field, e.signatory, e.digest.hex()[:16], e.reason) for e in entries]
    show("Nhật kí ký số", ("lúc", "việc", "trường ký", "người ký", "mã băm", "lí do"), rows, entries)


@app.command("fetch")
def fetch(
    document: Annotated[str, typer.Argument(help="Document id.")],
    out: Annotated[typer.FileBinaryWrite, typer.Argument(help="File to write, - for standard output.")],
) -> None:
    """The newest revision of a document."""
    services = operator()
    out.write(download(services.signing.DownloadDocument, signing_pb2.DownloadDocumentRequest(document=document)))


def _state(state: int) -> str:
    name = signing_pb2.DocumentState.Name(signing_pb2.DocumentState.ValueType(state))
    return name.removeprefix("DOCUMENT_STATE_")
