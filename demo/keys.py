"""The demo's key ceremony: one token for each person who signs and one for the school's seal.

The demo plays the operator and the messenger: it carries the requests to the stack's certificate
authority and the certificates back.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cli.profile import DemoConfig
from demo.school import School
from services.common.errors import HosoError

PERSON_ALGORITHM = "ECDSA_P256_SHA256"
SEAL_ALGORITHM = "RSA_PKCS1_SHA256"

_REQUESTS = "requests"
_CERTIFICATES = "certificates"
# The ceremony has stopped and waits for certificates (services/signing/__main__.py).
_EX_TEMPFAIL = 75


@dataclass(frozen=True)
class DemoKey:
    """A signatory of the demo school. signatory: person id, or the school code for the seal."""

    signatory: str
    name: str
    pin_file: Path
    algorithm: str


def signatories(folder: Path, school: School) -> list[DemoKey]:
    """Everybody who signs a book of the school: teachers, principal, and the seal last."""
    office = {school.principal, school.data_officer}
    signing = [p for p in school.people if p.id in office or p.id in school.teachers]
    pins = folder / "pins"
    keys = [DemoKey(p.id, p.name, pins / p.id, PERSON_ALGORITHM) for p in signing]
    return [*keys, DemoKey(school.code, school.name, pins / school.code, SEAL_ALGORITHM)]


def perform(demo: DemoConfig, school: School) -> tuple[list[DemoKey], Path]:
    """Hold the ceremony in processes of its own, as an operator would.

    Returns the keys and the file of the ceremony's record. Repeating it changes nothing. Raises
    HosoError with the end of the output of whatever fails.
    """
    folder = demo.folder / "ceremony"
    (folder / "pins").mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = signatories(folder, school)
    record = folder / "record.json"
    config = folder / "ceremony.toml"
    config.write_text(_ceremony_file(demo, school, keys, folder, record), encoding="utf-8")
    ceremony = ["services.signing", "ceremony", "--config", str(config)]
    folders = [str(path) for path in (demo.ca_dir, folder / _REQUESTS, folder / _CERTIFICATES)]
    # Those of an earlier demo may be for keys of tokens that were deleted since.
    shutil.rmtree(folder / _CERTIFICATES, ignore_errors=True)
    _run(demo, ceremony, ends_with=_EX_TEMPFAIL)
    _run(demo, ["deploy.local.certificate_authority", *folders])
    _run(demo, ceremony)
    return keys, record


def _run(demo: DemoConfig, command: list[str], *, ends_with: int = 0) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=os.environ | {"SOFTHSM2_CONF": str(demo.softhsm_conf)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != ends_with:
        raise HosoError("CEREMONY_FAILED", done.stderr.strip()[-800:] or "the key ceremony failed")


def _ceremony_file(demo: DemoConfig, school: School, keys: list[DemoKey], folder: Path, record: Path) -> str:
    lines = [
        "# Key ceremony of the demo school; see docs/operations.md, Keys",
        f"module = {_text(demo.pkcs11_module)}",
        'module_name = "softhsm2"',
        f"so_pin_file = {_text(folder / 'pins' / 'security-officer')}",
        f"requests_dir = {_text(folder / _REQUESTS)}",
        f"certificates_dir = {_text(folder / _CERTIFICATES)}",
        f"authority_file = {_text(demo.ca_dir / 'certs' / 'root.cert.pem')}",
        f"record_file = {_text(record)}",
        "create_pins = true",
    ]
    for key in keys:
        lines += [
            "",
            "[[keys]]",
            f"signatory = {_text(key.signatory)}",
            f"name = {_text(key.name)}",
            f"organisation = {_text(school.name)}",
            f"school = {_text(school.code)}",
            f"token = {_text(key.signatory)}",
            f"pin_file = {_text(key.pin_file)}",
            f"algorithm = {_text(key.algorithm)}",
        ]
        if key.signatory == school.code:
            lines.append(f"custodian = {_text(school.seal_custodian)}")
    return "\n".join(lines) + "\n"


def _text(value: object) -> str:
    """A TOML basic string. Names and paths of the demo hold no quote, backslash or control
    character.
    """
    return f'"{value}"'
