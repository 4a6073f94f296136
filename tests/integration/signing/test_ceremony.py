"""The key ceremony: keys born in their tokens, repeatable, complete after an interruption, silent
about PINs.
"""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from deploy.local import softhsm
from tests.integration.signing.hsm import SCHOOL, Hsm, ceremony_toml, key_plan, make_hsm

_ATTRIBUTES = {
    "private": True,
    "sensitive": True,
    "always_sensitive": True,
    "extractable": False,
    "never_extractable": True,
    "local": True,
}


def run_with_key(hsm: Hsm, who: str, program: str) -> str:
    """Run a few lines with `key`, the private key of `who`, and `session`."""
    begin = (
        "import pkcs11, sys; from pkcs11 import Attribute, ObjectClass, exceptions\n"
        "token = pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2])\n"
        "session = token.open(rw=True, user_pin=sys.argv[3])\n"
        "key = session.get_key(object_class=ObjectClass.PRIVATE_KEY)\n"
    )
    command = [sys.executable, "-c", begin + program, str(softhsm.module()), f"hoso-{who}", hsm.pin(who)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | hsm.environment, check=True)
    return done.stdout.strip()


def test_the_record_attests_the_keys(hsm: Hsm) -> None:
    record = hsm.record
    assert {key["signatory"] for key in record["keys"]} == {entry["id"] for entry in record["signatories"]}
    for key, entry in zip(record["keys"], record["signatories"], strict=True):
        assert key["key_attributes"] == _ATTRIBUTES
        own = x509.load_der_x509_certificate(bytes.fromhex(entry["certificate_chain"][0]))
        subject = {attribute.oid._name: attribute.value for attribute in own.subject}
        assert subject["serialNumber"] == entry["id"]
        assert subject["commonName"] == entry["name"]
        usage = own.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert usage.value.digital_signature
        assert usage.value.content_commitment
        assert own.extensions.get_extension_for_class(x509.CRLDistributionPoints)
        for certificate, issuer in zip(entry["certificate_chain"], entry["certificate_chain"][1:], strict=False):
            issuing = x509.load_der_x509_certificate(bytes.fromhex(issuer))
            x509.load_der_x509_certificate(bytes.fromhex(certificate)).verify_directly_issued_by(issuing)
    seal = hsm.signatory(SCHOOL)
    assert (seal["seal"], seal["custodian"]) == (True, "vt-001")


def test_no_pin_is_written_anywhere_but_in_its_file(hsm: Hsm) -> None:
    text = (hsm.folder / "record.json").read_text()
    for file in (hsm.folder / "pins").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_text() not in text


@pytest.mark.parametrize("attribute", ["VALUE", "PRIVATE_EXPONENT"])
def test_the_key_does_not_leave_its_token(hsm: Hsm, attribute: str) -> None:
    who = "gv-001" if attribute == "VALUE" else SCHOOL
    program = (
        f"try:\n    key[Attribute.{attribute}]\n    print('out')\nexcept exceptions.AttributeSensitive:\n"
        "    print('kept')"
    )
    assert run_with_key(hsm, who, program) == "kept"
    weaker = (
        "try:\n    key.copy({Attribute.EXTRACTABLE: True})\n    print('out')\n"
        "except pkcs11.PKCS11Error as e:\n    print('kept')"
    )
    assert run_with_key(hsm, who, weaker) == "kept"


def test_repeated_completed_and_grown(tmp_path: Path) -> None:
    """A second ceremony changes nothing; an interrupted one is completed; it can grow."""
    hsm = make_hsm(tmp_path, [key_plan(tmp_path, "gv-001", "Lê An")])
    assert hsm.ceremony().returncode == 0
    first = hsm.record["keys"][0]
    assert first["made_now"]
    # As if the power had failed before the certificate was stored in the token.
    removed = run_with_key(
        hsm,
        "gv-001",
        "for stored in list(session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE})):\n"
        "    stored.destroy()\n    print('gone')",
    )
    assert removed == "gone"
    keys = [key_plan(tmp_path, "gv-001", "Lê An"), key_plan(tmp_path, "gv-002", "Trần Bình")]
    (tmp_path / "ceremony.toml").write_text(ceremony_toml(tmp_path, keys), encoding="utf-8")
    assert hsm.ceremony().returncode == 0
    again, new = hsm.record["keys"]
    assert again == first | {"made_now": False}
    assert new["made_now"]
    count = "print(len(list(session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}))))"
    assert run_with_key(hsm, "gv-001", count) == "1"


def test_a_pin_that_others_can_read_is_refused(tmp_path: Path) -> None:
    hsm = make_hsm(tmp_path, [key_plan(tmp_path, "gv-001", "Lê An")])
    assert hsm.ceremony().returncode == 0
    (tmp_path / "pins" / "gv-001.pin").chmod(0o644)
    refused = hsm.ceremony()
    assert refused.returncode == 78
    assert "readable by others" in refused.stderr


def test_two_people_in_one_token_are_refused(tmp_path: Path) -> None:
    keys = [key_plan(tmp_path, who, "Lê An", token="same") for who in ("gv-001", "gv-002")]
    refused = make_hsm(tmp_path, keys).ceremony()
    assert refused.returncode == 78
    assert "token named twice: same" in refused.stderr
    assert not list((tmp_path / "tokens").iterdir())


def test_an_id_that_no_certificate_can_hold_is_refused(tmp_path: Path) -> None:
    refused = make_hsm(tmp_path, [key_plan(tmp_path, "gv_001", "Lê An")]).ceremony()
    assert refused.returncode == 78
    assert "gv_001: a certificate's serialNumber holds" in refused.stderr
