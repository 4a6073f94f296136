"""Ways from a certificate to a root, by authorities that issue in every order and shape."""

import ipaddress
import itertools
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.signing import certificate_path, certificates
from services.signing.ceremony.issued import Issued, judge, read_authority
from services.signing.ceremony.plan import CeremonyError, KeyPlan
from services.signing.domain import Signatory
from tests.unit.signing.authorities import DAY, NOW, Authority

PERSON = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
        x509.NameAttribute(NameOID.COMMON_NAME, "Lê Thị An"),
        x509.NameAttribute(NameOID.SERIAL_NUMBER, "gv-1"),
    ]
)
EXCLUDED = x509.NameConstraints(None, [x509.DirectoryName(x509.Name(PERSON.rdns[:1]))])
ELSEWHERE = x509.NameConstraints(
    [x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "LA")]))], None
)
ODD = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")


ROOT, FOREIGN, ISSUING = Authority("Root"), Authority("Foreign"), Authority("Issuing")
KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
OWN = ISSUING.certifies(PERSON, KEY)
PLAN = KeyPlan("gv-1", "Lê Thị An", "Trường", "79000001", "hoso-gv-1", Path("pin"))


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def rules(folder: Path, brought: list[x509.Certificate], authority: list[x509.Certificate]) -> list[str] | Issued:
    file = folder / "gv-1.pem"
    file.write_bytes(pem(*brought))
    spki = KEY.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    judged = judge(file, PLAN, spki, authority=authority, at=NOW)
    return judged if isinstance(judged, Issued) else [line.split(": ")[1] for line in judged]


def test_any_good_way_will_do_in_whatever_order_it_is_brought(tmp_path: Path) -> None:
    root = ROOT.certifies(ROOT)
    crossed, good = FOREIGN.certifies(ISSUING), ROOT.certifies(ISSUING)
    expired = ROOT.certifies(ISSUING, ends=NOW - DAY)
    for others in ([crossed, good], [good, crossed], [expired, good], [expired, crossed, good]):
        judged = rules(tmp_path, [OWN, *others], [root])
        assert isinstance(judged, Issued), (others, judged)
        assert len(judged.chain) == 3
    judged = rules(tmp_path, [OWN, expired], [root, good])
    assert isinstance(judged, Issued)
    assert rules(tmp_path, [OWN, expired], [root]) == ["EXPIRED"]
    assert rules(tmp_path, [OWN, crossed], [root]) == ["CHAIN_INCOMPLETE"]


@pytest.mark.parametrize(
    ("root", "issuing", "rule"),
    [
        (ROOT.certifies(ROOT, below=0), ROOT.certifies(ISSUING), "PATH_TOO_LONG"),
        (ROOT.certifies(ROOT, below=1), ROOT.certifies(ISSUING, below=0), ""),
        (ROOT.certifies(ROOT), ROOT.certifies(ISSUING, more=EXCLUDED), "NAME_CONSTRAINTS"),
        (ROOT.certifies(ROOT, more=EXCLUDED), ROOT.certifies(ISSUING), "NAME_CONSTRAINTS"),
        (ROOT.certifies(ROOT), ROOT.certifies(ISSUING, more=ELSEWHERE), "NAME_CONSTRAINTS"),
        (ROOT.certifies(ROOT), ROOT.certifies(ISSUING, more=ODD), "UNKNOWN_CRITICAL"),
    ],
)
def test_what_rfc_5280_says_of_issuers_is_asked(
    tmp_path: Path, root: x509.Certificate, issuing: x509.Certificate, rule: str
) -> None:
    judged = rules(tmp_path, [OWN, issuing], [root])
    assert isinstance(judged, Issued) if not rule else judged == [rule]


def test_a_kind_of_key_that_is_not_supported_is_refused_by_file_and_rule(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:SM2", "-noenc", "-sha256",
         "-keyout", "sm2.key", "-out", "sm2.pem", "-days", "9", "-subj", "/C=VN/CN=Ngoài"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    (strange,) = x509.load_pem_x509_certificates((tmp_path / "sm2.pem").read_bytes())
    judged = rules(tmp_path, [strange], [ROOT.certifies(ROOT)])
    assert isinstance(judged, list)
    assert {"WRONG_KEY", "ALGORITHM", "CHAIN_INCOMPLETE"} <= set(judged)
    with pytest.raises(CeremonyError, match="NO_ROOT"):
        read_authority(tmp_path / "sm2.pem")


def test_a_circle_of_authorities_ends() -> None:
    there, back = ROOT.certifies(FOREIGN), FOREIGN.certifies(ROOT)
    assert certificate_path.best(there, [there, back], [], NOW)[1] == ["CHAIN_INCOMPLETE"]


POLICY = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)])
MAIL = x509.NameConstraints(None, [x509.RFC822Name("truong.vn")])
PLACE = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "vn")])
LOWER = x509.NameConstraints(None, [x509.DirectoryName(PLACE)])
NO_PLACE = x509.Name(list(PERSON)[1:])
UNREADABLE = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x30\x05")  # alternative names


@pytest.mark.parametrize(
    ("issuing", "own", "rule"),
    [
        (ROOT.certifies(ISSUING, more=POLICY), ISSUING.certifies(PERSON, KEY, more=POLICY), ""),
        (ROOT.certifies(ISSUING, more=x509.PolicyConstraints(5, None)), OWN, ""),
        (ROOT.certifies(ISSUING), ISSUING.certifies(PERSON, KEY, more=ODD), "UNKNOWN_CRITICAL"),
        (
            ROOT.certifies(ISSUING, more=MAIL),
            ISSUING.certifies(PERSON, KEY, more=x509.SubjectAlternativeName([x509.RFC822Name("a@truong.vn")])),
            "NAME_CONSTRAINTS",
        ),
        (ROOT.certifies(ISSUING, more=LOWER), OWN, "NAME_CONSTRAINTS"),
        (
            ROOT.certifies(ISSUING, more=LOWER),
            ISSUING.certifies(NO_PLACE, KEY, more=x509.SubjectAlternativeName([x509.DirectoryName(PERSON)])),
            "NAME_CONSTRAINTS",
        ),
        # A policy is required at once, and nobody names one.
        (ROOT.certifies(ISSUING, more=x509.PolicyConstraints(0, None)), OWN, "PATH_INVALID"),
        (ROOT.certifies(ISSUING, more=UNREADABLE), OWN, "CERTIFICATE_UNREADABLE"),
        (ROOT.certifies(ISSUING), ISSUING.certifies(PERSON, KEY, more=UNREADABLE), "CERTIFICATE_UNREADABLE"),
    ],
)
def test_certificates_are_judged_as_rfc_5280_says(
    tmp_path: Path, issuing: x509.Certificate, own: x509.Certificate, rule: str
) -> None:
    judged = rules(tmp_path, [own, issuing], [ROOT.certifies(ROOT)])
    assert isinstance(judged, Issued) if not rule else judged == [rule]


def test_an_authority_that_renews_its_own_key_is_none_more_below(tmp_path: Path) -> None:
    """RFC 5280, 6.1.4 (l): self-issued certificates do not count."""
    renewed = Authority("Issuing")
    own = renewed.certifies(PERSON, KEY)
    issuers = [ISSUING.certifies(renewed), ROOT.certifies(ISSUING, below=0)]
    judged = rules(tmp_path, [own, *issuers], [ROOT.certifies(ROOT, below=1)])
    assert isinstance(judged, Issued), judged


def test_authorities_that_all_certify_each_other_are_judged_in_a_moment(tmp_path: Path) -> None:
    others = [Authority(f"Authority {number}") for number in range(7)]
    crossed = [a.certifies(b) for a in others for b in others if a is not b]
    own, root = others[0].certifies(PERSON, KEY), ROOT.certifies(ROOT)
    began = time.perf_counter()
    assert rules(tmp_path, [own, *crossed], [root]) == ["CHAIN_INCOMPLETE"]
    assert rules(tmp_path, [own, *crossed, ROOT.certifies(others[6], below=0)], [root]) == ["PATH_TOO_LONG"]
    assert isinstance(rules(tmp_path, [own, *crossed, ROOT.certifies(others[6])], [root]), Issued)
    assert time.perf_counter() - began < 5


def test_more_issuers_than_are_looked_at_are_refused(tmp_path: Path) -> None:
    many = [ROOT.certifies(Authority(f"Authority {number}")) for number in range(51)]
    assert rules(tmp_path, [OWN, *many], [ROOT.certifies(ROOT)]) == ["TOO_MANY_CERTIFICATES"]


def test_a_way_behind_authorities_that_certify_each_other_is_found(tmp_path: Path) -> None:
    mesh = [Authority(f"Authority {number}") for number in range(6)]
    crossed = [a.certifies(b) for a in mesh for b in mesh if a is not b]
    line = [ROOT, *(Authority(f"Line {number}") for number in range(4)), mesh[5]]
    down = [above.certifies(below) for above, below in itertools.pairwise(line)]
    judged = rules(tmp_path, [mesh[0].certifies(PERSON, KEY), *crossed, *down], [ROOT.certifies(ROOT)])
    assert isinstance(judged, Issued), judged


def test_more_ways_than_are_judged_are_said_to_be_too_many(tmp_path: Path) -> None:
    """20 × 20 short ways are wrong; the good one is longer, and is not looked at."""
    near, far, aside = Authority("Near"), Authority("Far"), Authority("Aside")
    wrong = [far.certifies(near) for _ in range(20)] + [ROOT.certifies(far, below=0) for _ in range(20)]
    good = [aside.certifies(near), ISSUING.certifies(aside), ROOT.certifies(ISSUING)]
    own, root = near.certifies(PERSON, KEY), ROOT.certifies(ROOT)
    assert isinstance(rules(tmp_path, [own, *good], [root]), Issued)
    began = time.process_time()
    assert rules(tmp_path, [own, *wrong, *good], [root]) == ["PATH_TOO_LONG", "TOO_MANY_PATHS"]
    assert time.process_time() - began < 2


def test_many_good_ways_are_no_hindrance(tmp_path: Path) -> None:
    line = [Authority(f"Line {number}") for number in range(4)]
    many = [above.certifies(below) for below, above in itertools.pairwise(line) for _ in range(15)]
    judged = rules(tmp_path, [line[0].certifies(PERSON, KEY), *many, ROOT.certifies(line[3])], [ROOT.certifies(ROOT)])
    assert isinstance(judged, Issued), judged


POLICY_OF_ALL = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("2.5.29.32.0"), None)])
OTHER_NAME = x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
NETWORK = x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))
MAILED = ISSUING.certifies(PERSON, KEY, more=x509.SubjectAlternativeName([x509.RFC822Name("a@truong.vn")]))
HOST = ISSUING.certifies(
    PERSON, KEY, more=x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("10.1.1.1"))])
)
# subjectDirectoryAttributes, which cryptography does not read and pyhanko_certvalidator does.
MALFORMED = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.9"), b"\x30\x05")


@pytest.mark.parametrize(
    ("extension", "own", "rule"),
    [
        (POLICY, OWN, ""),
        (POLICY_OF_ALL, OWN, ""),
        (MAIL, OWN, ""),
        (MAIL, MAILED, "NAME_CONSTRAINTS"),
        (x509.NameConstraints([x509.RFC822Name("truong.vn")], None), OWN, ""),
        (x509.NameConstraints([x509.RFC822Name("truong.vn")], None), MAILED, ""),
        (x509.NameConstraints([x509.RFC822Name("khac.vn")], None), MAILED, "NAME_CONSTRAINTS"),
        (x509.NameConstraints(None, [NETWORK]), OWN, ""),
        (x509.NameConstraints(None, [NETWORK]), HOST, "PATH_INVALID"),
        (x509.NameConstraints(None, [OTHER_NAME]), OWN, "PATH_INVALID"),
        (MALFORMED, OWN, "PATH_INVALID"),
        (ODD, OWN, "UNKNOWN_CRITICAL"),
    ],
)
@pytest.mark.parametrize("at_the_root", [True, False])
def test_a_root_binds_those_below_it_as_any_issuer_does(
    tmp_path: Path, extension: x509.ExtensionType, own: x509.Certificate, rule: str, *, at_the_root: bool
) -> None:
    root = ROOT.certifies(ROOT, more=extension if at_the_root else None)
    issuing = ROOT.certifies(ISSUING, more=None if at_the_root else extension)
    judged = rules(tmp_path, [own, issuing], [root])
    assert isinstance(judged, Issued) if not rule else judged == [rule]


@pytest.mark.parametrize("organisation", ["TRƯỜNG NGUYỄN DU", "Trường   Nguyễn  Du", " trường nguyễn du "])
def test_names_are_compared_without_case_and_white_space(tmp_path: Path, organisation: str) -> None:
    """RFC 5280, 7.1."""
    excluded = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)])
    person = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Trường Nguyễn Du"), *PERSON])
    issuing = ROOT.certifies(ISSUING, more=x509.NameConstraints(None, [x509.DirectoryName(excluded)]))
    assert rules(tmp_path, [ISSUING.certifies(person, KEY), issuing], [ROOT.certifies(ROOT)]) == ["NAME_CONSTRAINTS"]


def test_the_root_itself_is_nobodys_certificate(tmp_path: Path) -> None:
    root = ROOT.certifies(ROOT)
    judged = rules(tmp_path, [root], [root])
    assert isinstance(judged, list)
    assert "IS_AN_AUTHORITY" in judged
    holder = Authority("Holder")
    holder.name = PERSON
    to_itself = holder.certifies(PERSON, holder.key.public_key())
    for own in (OWN, to_itself):
        assert certificate_path.best(own, [own], [own], NOW) == (None, ["CHAIN_INCOMPLETE"])


def test_what_cannot_be_read_is_refused_by_file_and_rule(tmp_path: Path) -> None:
    der, issuing, root = OWN.public_bytes(serialization.Encoding.DER), ROOT.certifies(ISSUING), ROOT.certifies(ROOT)
    no_text = der.replace("Lê".encode(), b"L\xff\xff")
    sm3 = der.replace(bytes.fromhex("06082a8648ce3d040302"), bytes.fromhex("06082a811ccf55018375"))
    for changed, rule in ((no_text, "CERTIFICATE_UNREADABLE"), (sm3, "WEAK_SIGNATURE")):
        assert changed != der
        judged = rules(tmp_path, [x509.load_der_x509_certificate(changed), issuing], [root])
        assert isinstance(judged, list)
        assert rule in judged


def test_an_authority_is_not_registered_as_a_signatory() -> None:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    own = (
        x509.CertificateBuilder(ROOT.name, PERSON, KEY, x509.random_serial_number(), NOW - DAY, NOW + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(ROOT.key, hashes.SHA256())
    )
    signatory = Signatory(
        id="gv-1",
        school="79000001",
        name="Lê Thị An",
        seal=False,
        custodian="",
        key_uri="",
        algorithm="ECDSA_P256_SHA256",
        custody="HSM_PARTITION",
        certificate_chain=(own.public_bytes(serialization.Encoding.DER),),
    )
    assert [violation.rule for violation in certificates.problems(signatory)] == ["IS_AN_AUTHORITY"]
