"""The key ceremony with a certificate authority that is not ours: requests, stop, certificates, go
on.
"""

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from deploy.local import softhsm
from services.common.settings import DatabaseConfig
from services.signing.pades import Expected, check
from tests import servers
from tests.integration.signing.hsm import STOPPED, Hsm, ceremony_toml, key_plan, make_hsm
from tests.integration.signing.signing_service import REQUIRED, TEACHERS, service_of
from tests.waiting import eventually

FIRST, SECOND = TEACHERS[0], TEACHERS[1]  # ECDSA P-256, RSA
NAMES = {FIRST: "Lê Thị An", SECOND: "Trần Văn Bình"}
DAY = dt.timedelta(days=1)
REFUSED = 78


def hsm_of(folder: Path, *people: str) -> Hsm:
    """A ceremony for these people whose authority file is `authority.pem`."""
    keys = [key_plan(folder, person, NAMES[person]) for person in people]
    hsm = make_hsm(folder, keys)
    config = folder / "ceremony.toml"
    config.write_text(config.read_text().replace("ca/certs/root.cert.pem", "authority.pem"))
    return hsm


def certificates_in_token(hsm: Hsm, person: str) -> int:
    program = (
        "import pkcs11, sys\n"
        "token = pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2])\n"
        "with token.open(user_pin=sys.argv[3]) as session:\n"
        "    kind = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE}\n"
        "    print(len(list(session.get_objects(kind))))"
    )
    command = [sys.executable, "-c", program, str(softhsm.module()), f"hoso-{person}", hsm.pin(person)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | hsm.environment, check=True)
    return int(done.stdout)


# ---- openssl as the authority, from requests to a signature --------------------------------------


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def issue_with_openssl(hsm: Hsm, people: list[str]) -> None:
    """A root and an issuing authority answer the requests; the issuer comes with each."""
    folder = hsm.folder / "outside"
    folder.mkdir()
    authority = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
    (folder / "authority.ext").write_text(authority)
    (folder / "person.ext").write_text(
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,nonRepudiation\n"
    )
    for name in ("root", "issuing"):
        openssl(folder, "req", "-new", "-newkey", "rsa:2048", "-noenc", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/C=VN/O=Outside/CN=Outside {name}")  # fmt: skip
    openssl(folder, "x509", "-req", "-in", "root.csr", "-signkey", "root.key", "-days", "30", "-sha256",
            "-extfile", "authority.ext", "-out", "root.pem")  # fmt: skip
    openssl(folder, "x509", "-req", "-in", "issuing.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "30",
            "-set_serial", "2", "-sha256", "-extfile", "authority.ext", "-out", "issuing.pem")  # fmt: skip
    (hsm.folder / "authority.pem").write_bytes((folder / "root.pem").read_bytes())
    (hsm.folder / "certs").mkdir()
    for number, person in enumerate(people, start=10):
        openssl(folder, "req", "-in", f"../requests/{person}.csr", "-verify", "-noout")
        openssl(folder, "x509", "-req", "-in", f"../requests/{person}.csr", "-CA", "issuing.pem", "-CAkey",
                "issuing.key", "-days", "20", "-set_serial", str(number), "-sha256", "-extfile", "person.ext",
                "-out", f"{person}.pem")  # fmt: skip
        chain = (folder / f"{person}.pem").read_bytes() + (folder / "issuing.pem").read_bytes()
        (hsm.folder / "certs" / f"{person}.pem").write_bytes(chain)


def test_from_requests_to_a_signature(
    tmp_path: Path,
    signing_copy: bytes,
    pki_files: servers.Pki,
    database: Callable[[str], DatabaseConfig],
) -> None:
    hsm = hsm_of(tmp_path, FIRST, SECOND)
    stopped = hsm.ceremony_step()
    assert stopped.returncode == STOPPED, stopped.stderr
    assert stopped.stdout.splitlines()[1:] == [f"{tmp_path}/certs/{person}.pem" for person in (FIRST, SECOND)]
    assert not (tmp_path / "record.json").exists()
    requests = {file.name: file.read_bytes() for file in (tmp_path / "requests").glob("*.csr")}
    assert set(requests) == {f"{FIRST}.csr", f"{SECOND}.csr"}
    assert hsm.ceremony_step().returncode == STOPPED
    assert {file.name: file.read_bytes() for file in (tmp_path / "requests").glob("*.csr")} == requests

    issue_with_openssl(hsm, [FIRST, SECOND])
    finished = hsm.ceremony_step()
    assert finished.returncode == 0, finished.stderr
    record = hsm.record
    assert [key["made_now"] for key in record["keys"]] == [True, True]
    root = x509.load_pem_x509_certificate((tmp_path / "authority.pem").read_bytes())
    assert [authority["sha256"] for authority in record["authorities"]] == [root.fingerprint(hashes.SHA256()).hex()]
    assert [certificates_in_token(hsm, person) for person in (FIRST, SECOND)] == [1, 1]

    required = [
        next(signature for signature in REQUIRED if signature.signatory == person) for person in (FIRST, SECOND)
    ]
    with (
        service_of(hsm, tmp_path, database("signing"), pki_files) as service,
        service.tokens(),
        service.running("work"),
    ):
        service.register(FIRST)
        service.register(SECOND)
        name = service.take_in(signing_copy, required)
        service.activate(FIRST, SECOND)
        eventually(lambda: service.state(name) == "SIGNED")
        entries = service.journal(name)
        order = [Expected(entry.field, entry.signatory) for entry in entries if entry.event == "STORED"]
        report = check(
            service.pdf(name), order, [root.public_bytes(serialization.Encoding.DER)], dt.datetime.now(dt.UTC)
        )
        assert report.ok, (report.problems, [signature.problems for signature in report.signatures])


# ---- an authority that makes mistakes ------------------------------------------------------------


@dataclass
class Outside:
    """A root and an issuing authority whose certificates can be wrong in every way."""

    root_key: ec.EllipticCurvePrivateKey
    root: x509.Certificate
    issuing_key: ec.EllipticCurvePrivateKey
    issuing: x509.Certificate


def certificate(
    subject: x509.Name,
    public_key: Any,
    issuer: x509.Name,
    issuer_key: Any,
    *,
    authority: bool,
    starts: dt.timedelta = -DAY,
    ends: dt.timedelta = 20 * DAY,
    signing: bool = True,
    digest: hashes.HashAlgorithm | None = None,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=signing and not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(issuer_key, digest or hashes.SHA256())
    )


def name_of(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def outside(*, issuing_ends: dt.timedelta = 20 * DAY, issuing_is_authority: bool = True) -> Outside:
    root_key, issuing_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = certificate(name_of("root"), root_key.public_key(), name_of("root"), root_key, authority=True)
    issuing = certificate(
        name_of("issuing"),
        issuing_key.public_key(),
        name_of("root"),
        root_key,
        authority=issuing_is_authority,
        starts=-30 * DAY,
        ends=issuing_ends,
    )
    return Outside(root_key, root, issuing_key, issuing)


def subject_of(signatory: str, name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.SERIAL_NUMBER, signatory)]
    )


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


RIGHT = subject_of(FIRST, NAMES[FIRST])
Answer = Callable[[Outside, Any], bytes]


def answered(subject: x509.Name = RIGHT, *, authority: bool = False, key: Any = None, **options: Any) -> Answer:
    """What the authority sends for a request's key, when nothing or the named thing is wrong."""

    def answer(ours: Outside, requested: Any) -> bytes:
        public_key = key or requested
        own = certificate(subject, public_key, ours.issuing.subject, ours.issuing_key, authority=authority, **options)
        return pem(own, ours.issuing)

    return answer


def without_issuing(ours: Outside, requested: Any) -> bytes:
    return pem(certificate(RIGHT, requested, ours.issuing.subject, ours.issuing_key, authority=False))


def of_a_stranger(ours: Outside, requested: Any) -> bytes:
    return answered()(outside(), requested)


CASES: list[tuple[str, Answer, dict[str, Any], set[str]]] = [
    ("another key", answered(key=ec.generate_private_key(ec.SECP256R1()).public_key()), {}, {"WRONG_KEY"}),
    (
        "another algorithm",
        answered(key=rsa.generate_private_key(65537, 3072).public_key()),
        {},
        {"WRONG_KEY", "ALGORITHM"},
    ),
    ("another name", answered(subject_of(FIRST, "Lê Thị Ân")), {}, {"SUBJECT_NAME"}),
    ("another id", answered(subject_of("gv-999", NAMES[FIRST])), {}, {"SUBJECT_SERIAL"}),
    ("not yet valid", answered(starts=DAY), {}, {"NOT_YET_VALID"}),
    ("no longer valid", answered(starts=-2 * DAY, ends=-DAY), {}, {"EXPIRED"}),
    ("issuer no longer valid", answered(), {"issuing_ends": -DAY}, {"EXPIRED"}),
    ("issuer is no authority", answered(), {"issuing_is_authority": False}, {"ISSUER_IS_NO_AUTHORITY"}),
    ("chain incomplete", without_issuing, {}, {"CHAIN_INCOMPLETE"}),
    ("root of a stranger", of_a_stranger, {}, {"CHAIN_INCOMPLETE"}),
    ("usage", answered(signing=False), {}, {"KEY_USAGE"}),
    ("an authority's", answered(authority=True), {}, {"KEY_USAGE", "IS_AN_AUTHORITY"}),
    ("weak digest", answered(digest=hashes.SHA224()), {}, {"WEAK_SIGNATURE"}),
    ("no certificate", lambda ours, requested: b"-----BEGIN NOTHING-----\n", {}, {"CERTIFICATE_UNREADABLE"}),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Hsm:
    """A ceremony that has stopped: two keys, two requests."""
    hsm = hsm_of(tmp_path_factory.mktemp("outside"), FIRST, SECOND)
    assert hsm.ceremony_step().returncode == STOPPED
    (hsm.folder / "certs").mkdir()
    return hsm


def requested_key(hsm: Hsm, person: str) -> Any:
    request = x509.load_pem_x509_csr((hsm.folder / "requests" / f"{person}.csr").read_bytes())
    assert request.is_signature_valid
    return request.public_key()


def bring_back(hsm: Hsm, ours: Outside, answer: Answer) -> Path:
    """The second person's certificate is right; the first one's is what `answer` makes of it."""
    (hsm.folder / "authority.pem").write_bytes(pem(ours.root))
    right = answered(subject_of(SECOND, NAMES[SECOND]))(ours, requested_key(hsm, SECOND))
    (hsm.folder / "certs" / f"{SECOND}.pem").write_bytes(right)
    file = hsm.folder / "certs" / f"{FIRST}.pem"
    file.write_bytes(answer(ours, requested_key(hsm, FIRST)))
    return file


@pytest.mark.parametrize(
    ("answer", "authority", "rules"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_wrong_certificate_is_refused_by_file_and_rule(
    prepared: Hsm, answer: Answer, authority: dict[str, Any], rules: set[str]
) -> None:
    file = bring_back(prepared, outside(**authority), answer)
    refused = prepared.ceremony_step()
    assert refused.returncode == REFUSED
    named = {tuple(line.split(": ")[:2]) for line in refused.stderr.splitlines() if "/certs/" in line}
    if authority:  # what is wrong with the issuer is wrong with both
        named = {(path, rule) for path, rule in named if path == str(file)}
    assert named == {(str(file), rule) for rule in rules}
    assert not (prepared.folder / "record.json").exists()
    assert [certificates_in_token(prepared, person) for person in (FIRST, SECOND)] == [0, 0]


def test_a_missing_certificate_stops_all(prepared: Hsm) -> None:
    bring_back(prepared, outside(), answered()).unlink()
    stopped = prepared.ceremony_step()
    assert stopped.returncode == STOPPED
    assert stopped.stdout.splitlines()[1:] == [f"{prepared.folder}/certs/{FIRST}.pem"]
    assert certificates_in_token(prepared, SECOND) == 0


def test_a_file_without_a_root_is_no_authority(prepared: Hsm) -> None:
    ours = outside()
    bring_back(prepared, ours, answered())
    (prepared.folder / "authority.pem").write_bytes(pem(ours.issuing))
    refused = prepared.ceremony_step()
    assert refused.returncode == REFUSED
    assert f"{prepared.folder}/authority.pem: NO_ROOT" in refused.stderr


def test_a_corrected_name_and_a_renewed_certificate(tmp_path: Path) -> None:
    """The request follows the reviewed file; a new certificate for the same key is added to the old
    one.
    """
    hsm = hsm_of(tmp_path, SECOND)
    assert hsm.ceremony_step().returncode == STOPPED
    request = tmp_path / "requests" / f"{SECOND}.csr"
    before = request.read_bytes()
    plan = key_plan(tmp_path, SECOND, "Trần Văn Bình B")
    text = ceremony_toml(tmp_path, [plan]).replace("ca/certs/root.cert.pem", "authority.pem")
    (tmp_path / "ceremony.toml").write_text(text, encoding="utf-8")
    assert hsm.ceremony_step().returncode == STOPPED
    assert request.read_bytes() != before
    ours = outside()
    (tmp_path / "authority.pem").write_bytes(pem(ours.root))
    (tmp_path / "certs").mkdir()
    records = []
    for _ in range(2):
        answer = answered(subject_of(SECOND, "Trần Văn Bình B"))(ours, requested_key(hsm, SECOND))
        (tmp_path / "certs" / f"{SECOND}.pem").write_bytes(answer)
        finished = hsm.ceremony_step()
        assert finished.returncode == 0, finished.stderr
        records.append(json.loads(finished.stdout)["keys"][0])
    assert [record["made_now"] for record in records] == [True, False]
    assert records[0]["public_key_sha256"] == records[1]["public_key_sha256"]
    assert records[0]["certificate_sha256"] != records[1]["certificate_sha256"]
    assert certificates_in_token(hsm, SECOND) == 2


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    hsm = hsm_of(tmp_path, FIRST)
    assert hsm.ceremony_step().returncode == STOPPED
    text = (tmp_path / "ceremony.toml").read_text().replace("ECDSA_P256_SHA256", "RSA_PKCS1_SHA256")
    (tmp_path / "ceremony.toml").write_text(text)
    refused = hsm.ceremony_step()
    assert refused.returncode == REFUSED
    assert f"{FIRST}: the token holds a key of another kind" in refused.stderr
