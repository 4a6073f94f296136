"""Documents under signature, with a real database, real tokens and the real worker process, killed
now and then.
"""

import base64
import contextlib
import datetime as dt
import hashlib
import os
import random
import signal
import subprocess
import time
import uuid
from collections import Counter
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from services.common import audit
from services.common.errors import Forbidden, Forged, Invalid, Rejected
from services.signing import store, usecases
from services.signing.pades import Expected, check
from services.signing.token_client import TokenClient
from tests.integration.signing.hsm import CUSTODIAN, SCHOOL, token_away
from tests.integration.signing.signing_service import (
    HOMEROOM,
    PRINCIPAL,
    REQUIRED,
    TEACHERS,
    Service,
    acting,
    signatory_of,
)
from tests.owning import as_owner
from tests.unit.signing.authorities import Authority
from tests.waiting import eventually

EXPECTED = [Expected(required.field, required.signatory) for required in REQUIRED]
EVERYBODY = sorted({*TEACHERS, HOMEROOM, PRINCIPAL})


def in_order_of_signing(service: Service, name: uuid.UUID) -> list[Expected]:
    fields = [entry.field for entry in service.journal(name) if entry.event == "STORED"]
    by_field = {expected.field: expected for expected in EXPECTED}
    return [by_field[field] for field in fields]


def assert_sealed(service: Service, name: uuid.UUID) -> None:
    """Everything that must hold of a sealed document."""
    entries = service.journal(name)
    stored = Counter(entry.field for entry in entries if entry.event == "STORED")
    intended = Counter(entry.field for entry in entries if entry.event == "INTENDED")
    assert stored == intended == Counter(required.field for required in REQUIRED)
    for field in stored:
        mine = [entry.event for entry in entries if entry.field == field]
        assert mine[:2] == ["INTENDED", "ATTEMPTED"]
        assert mine[-1] == "STORED"
    last_attempt = {entry.field: entry.digest for entry in entries if entry.event == "ATTEMPTED"}
    assert {entry.field: entry.digest for entry in entries if entry.event == "STORED"} == last_attempt
    expected = in_order_of_signing(service, name)
    ranks = {required.field: required.rank for required in REQUIRED}
    assert [ranks[signature.field] for signature in expected] == sorted(ranks.values())
    report = check(service.pdf(name), expected, [service.hsm.chain(SCHOOL)[-1]], dt.datetime.now(dt.UTC))
    assert report.ok, (report.problems, [signature.problems for signature in report.signatures])
    assert [kind for kind, _ in service.events(name)] == ["DocumentSigned", "DocumentSealed"]


def test_a_book_is_signed_in_order_and_sealed_last(service: Service, signing_copy: bytes, tmp_path: Path) -> None:
    late = TEACHERS[3]
    with service.tokens(), service.running("work"):
        name = service.take_in(signing_copy)
        service.activate(*(person for person in [*TEACHERS, PRINCIPAL, SCHOOL] if person != late))
        eventually(lambda: len(service.signed(name)) == len(TEACHERS) - 1)
        time.sleep(1.5)  # the principal's key and the seal are active, and it is not their turn
        assert set(service.signed(name)) == set(TEACHERS) - {late}
        assert service.events(name) == []
        service.activate(late, HOMEROOM)
        eventually(lambda: service.state(name) == "SEALED")
        service.deactivate_all()
    assert_sealed(service, name)
    pdf = service.pdf(name)
    assert pdf.startswith(signing_copy)
    signed, sealed = (body for _, body in service.events(name))
    assert bytes_of(sealed["document_sha256"]) == hashlib.sha256(pdf).digest()
    with service.database.transaction() as tx:
        row = tx.execute(
            "SELECT size_bytes FROM revision WHERE document = %s AND sha256 = %s",
            (name, bytes_of(signed["document_sha256"])),
        ).fetchone()
        assert row is not None
        assert audit.verify(tx) == []
    assert hashlib.sha256(pdf[: row[0]]).digest() == bytes_of(signed["document_sha256"])
    file = tmp_path / "sealed.pdf"
    file.write_bytes(pdf)
    seen = subprocess.run(["pdfsig", "-nocert", str(file)], capture_output=True, text=True, check=True).stdout
    assert seen.count("Signature is Valid.") == len(REQUIRED)
    assert seen.count("Total document signed") == 1
    subprocess.run(["qpdf", "--check", str(file)], check=True, capture_output=True)


def bytes_of(text: str) -> bytes:
    return base64.b64decode(text)


def finished(service: Service, names: list[uuid.UUID]) -> bool:
    return all(service.state(name) == "SEALED" for name in names)


def one_life_of_a_worker(service: Service, names: list[uuid.UUID], kills: Counter[str]) -> None:
    """Let it sign a few, killing owners meanwhile, and kill it at a random moment."""
    before = sum(len(service.signed(name)) for name in names)
    with service.running("work") as worker:
        eventually(lambda: finished(service, names) or sum(len(service.signed(name)) for name in names) > before)
        for _ in range(random.randint(1, 3)):
            time.sleep(random.uniform(0.0, 0.3))
            pids = [key.pid for key in TokenClient(service.socket).status() if key.pid]
            with contextlib.suppress(ProcessLookupError):
                os.kill(random.choice(pids), signal.SIGKILL)
                kills["owner"] += 1
        worker.kill()
        kills["worker"] += 1


def test_killed_again_and_again(service: Service, signing_copy: bytes) -> None:
    """Worker, owners and the supervisor die at random moments; nothing is lost and nothing is
    signed twice.
    """
    names = [service.take_in(signing_copy) for _ in range(4)]  # more than a worker signs in one life
    kills: Counter[str] = Counter()
    deadline = time.monotonic() + 240
    for life in (1, 2):  # of the supervisor; the second time everybody must enter the PIN again
        with service.running("tokens") as supervisor:
            service.client()
            service.activate(*EVERYBODY, SCHOOL)
            while not finished(service, names) and not (life == 1 and kills["worker"] >= 3):
                assert time.monotonic() < deadline, [service.signed(name) for name in names]
                one_life_of_a_worker(service, names, kills)
            supervisor.kill()
    assert finished(service, names)
    for name in names:
        assert_sealed(service, name)
    attempts = Counter(entry.event for name in names for entry in service.journal(name))
    print(kills, attempts)
    assert attempts["STORED"] == len(names) * len(REQUIRED)
    assert attempts["ATTEMPTED"] >= attempts["STORED"]
    assert kills["worker"] >= 2


def test_a_signature_lost_before_it_was_stored_is_made_again(service: Service, signing_copy: bytes) -> None:
    """The store fails once between token and commit: same intent, a second attempt on record, one
    signature.
    """
    with as_owner(service.database.config) as tx:
        tx.execute("CREATE SEQUENCE lost; GRANT USAGE ON lost TO signing")
        tx.execute(
            "CREATE FUNCTION lose_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.number = 1 AND nextval('lost') = 1 THEN RAISE EXCEPTION 'lost'; END IF; RETURN NEW; END $$"
        )
        tx.execute("CREATE TRIGGER lose BEFORE INSERT ON revision FOR EACH ROW EXECUTE FUNCTION lose_once()")
    try:
        with service.tokens(), service.running("work"):
            name = service.take_in(signing_copy)
            service.activate(TEACHERS[0])
            eventually(lambda: service.signed(name))
    finally:
        with as_owner(service.database.config) as tx:
            tx.execute("DROP TRIGGER lose ON revision")
    assert [entry.event for entry in service.journal(name)] == ["INTENDED", "ATTEMPTED", "ATTEMPTED", "STORED"]


def test_an_unplugged_token_is_waited_for_and_fills_no_journal(service: Service, signing_copy: bytes) -> None:
    with service.tokens() as tokens:
        service.activate(TEACHERS[0])
        with token_away(service.hsm, TEACHERS[0]):
            pid = tokens.status()[0].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: not tokens.status()[0].ready)
            name = service.take_in(signing_copy)
            with service.running("work"):
                time.sleep(4)
            assert service.journal(name) == []
        with service.running("work"):
            eventually(lambda: service.signed(name), 60)


def test_a_voided_book_is_signed_no_further(service: Service, signing_copy: bytes) -> None:
    book = str(uuid.uuid4())
    with service.tokens(), service.running("work"):
        name = service.take_in(signing_copy, book=book)
        service.activate(TEACHERS[0])
        eventually(lambda: service.signed(name))
        with service.database.transaction() as tx:
            store.void_book(tx, uuid.UUID(book), 1)
        service.activate(*TEACHERS[1:])
        time.sleep(1.5)
    assert service.state(name) == "VOID"
    assert service.signed(name) == [TEACHERS[0]]
    assert Counter(entry.event for entry in service.journal(name))["CANCELLED"] == len(REQUIRED) - 1
    assert service.events(name) == []


def test_a_copy_that_comes_after_its_version_ended_is_void(service: Service, signing_copy: bytes) -> None:
    book = str(uuid.uuid4())
    with service.database.transaction() as tx:
        store.void_book(tx, uuid.UUID(book), 1)
    assert service.state(service.take_in(signing_copy, book=book)) == "VOID"
    assert service.state(service.take_in(signing_copy, book=book, version=2)) == "SIGNING"


def test_one_document_for_a_book_version(service: Service, signing_copy: bytes) -> None:
    book = str(uuid.uuid4())
    service.take_in(signing_copy, book=book)
    with pytest.raises(Rejected, match="đã có bản ký"):
        service.take_in(signing_copy, book=book)


@pytest.mark.parametrize("table", ["journal", "revision", "intent"])
def test_rows_of_evidence_cannot_be_rewritten(service: Service, signing_copy: bytes, table: str) -> None:
    service.take_in(signing_copy)
    for statement in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(psycopg.IntegrityError, match="append-only"), as_owner(service.database.config) as tx:
            tx.execute(statement)


def test_changed_bytes_are_noticed(service: Service, signing_copy: bytes) -> None:
    name = service.take_in(signing_copy)
    with as_owner(service.database.config) as tx:
        tx.execute("ALTER TABLE revision DISABLE TRIGGER USER")
        tx.execute("UPDATE revision SET part = set_byte(part, 100, 0) WHERE document = %s", (name,))
        tx.execute("ALTER TABLE revision ENABLE TRIGGER USER")
    with pytest.raises(Forged) as changed:
        service.pdf(name)
    assert changed.value.reason == "DOCUMENT_CHANGED"


def test_only_the_keeper_unlocks_a_key(service: Service) -> None:
    """Sole control: not the principal for a teacher, not a teacher for the seal, not the seal's own
    id.
    """
    with service.tokens() as tokens:
        for signatory, person, reason in (
            (TEACHERS[0], PRINCIPAL, "NOT_THE_SIGNATORY"),
            (SCHOOL, PRINCIPAL, "NOT_THE_SIGNATORY"),
            (SCHOOL, SCHOOL, "PERSON_UNKNOWN"),
        ):
            with acting("vendor/smas", person), pytest.raises(Forbidden) as refused:
                usecases.activate_key(
                    service.database, tokens, signatory, service.hsm.pin(signatory), max_signatures=1, duration_s=60
                )
            assert refused.value.reason == reason
        assert tokens.status() == []
        with acting("vendor/smas", CUSTODIAN):
            usecases.activate_key(
                service.database, tokens, SCHOOL, service.hsm.pin(SCHOOL), max_signatures=1, duration_s=60
            )
        assert [key.signatory for key in tokens.status()] == [SCHOOL]


def test_a_key_that_is_not_the_certificates_is_locked_again(service: Service) -> None:
    """The profile of one person names another person's token: the test signature gives it away."""
    mine, other = TEACHERS[4], TEACHERS[5]
    right = signatory_of(service.hsm.signatory(mine))
    wrong = signatory_of(service.hsm.signatory(mine) | {"key_uri": service.hsm.signatory(other)["key_uri"]})
    with service.tokens() as tokens:
        with acting("operator/department"):
            usecases.put_signatory(service.database, wrong, service.hsm.roots)
        try:
            with acting("vendor/smas", mine), pytest.raises(Rejected) as refused:
                usecases.activate_key(
                    service.database, tokens, mine, service.hsm.pin(other), max_signatures=1, duration_s=60
                )
        finally:
            with acting("operator/department"):
                usecases.put_signatory(service.database, right, service.hsm.roots)
        assert refused.value.facts["cause"] == "NOT_THE_CERTIFICATE_KEY"
        assert tokens.status() == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"id": "gv-999"}, "SUBJECT_SERIAL"),
        ({"name": "Người khác"}, "SUBJECT_NAME"),
        ({"algorithm": "RSA_PSS_SHA256"}, "ALGORITHM"),
        ({"certificate_chain": []}, "CERTIFICATE_MISSING"),
        ({"certificate_chain": ["3000"]}, "CERTIFICATE_UNREADABLE"),
        ({"custodian": "vt-001"}, "CUSTODIAN"),
        ({"key_uri": "pkcs11:token=x;object=y?module-name=softhsm&pin-value=1234"}, "PIN_IN_URI"),
        ({"key_uri": "pkcs11:token=x;object=y?module-path=/tmp/evil.so"}, "UNKNOWN_ATTRIBUTE"),
        ({"custody": ""}, "REQUIRED"),
        ({"school": ""}, "REQUIRED"),
    ],
)
def test_a_signatory_that_does_not_fit_is_refused(service: Service, change: dict[str, object], rule: str) -> None:
    entry = service.hsm.signatory(TEACHERS[0]) | change
    with acting("operator/department"), pytest.raises(Invalid) as refused:
        usecases.put_signatory(service.database, signatory_of(entry), service.hsm.roots)
    assert rule in {violation.rule for violation in refused.value.violations}


def test_only_certificates_under_the_roots_are_registered(service: Service) -> None:
    """A certificate that its holder has issued to itself, and one of an authority that nobody here
    trusts, are refused before anything is signed with them.
    """
    entry = service.hsm.signatory(TEACHERS[0])
    foreign = Authority("Ngoài")
    own = x509.load_der_x509_certificate(bytes.fromhex(entry["certificate_chain"][0]))
    key = own.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    issued = foreign.certifies(own.subject, key, ends=dt.datetime.now(dt.UTC) + dt.timedelta(days=9))
    expired = foreign.certifies(own.subject, key, ends=dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
    root = foreign.certifies(foreign, ends=dt.datetime.now(dt.UTC) + dt.timedelta(days=9))
    for chain, rules in (
        ([issued], {"CHAIN_INCOMPLETE"}),
        ([issued, root], {"CHAIN_INCOMPLETE"}),
        ([expired, root], {"CHAIN_INCOMPLETE", "EXPIRED"}),
    ):
        ders = [certificate.public_bytes(Encoding.DER).hex() for certificate in chain]
        with acting("operator/department"), pytest.raises(Invalid) as refused:
            usecases.put_signatory(
                service.database, signatory_of(entry | {"certificate_chain": ders}), service.hsm.roots
            )
        assert {violation.rule for violation in refused.value.violations} == rules
