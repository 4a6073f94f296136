"""The demo's key ceremony: one token for each signatory and one for the school's seal."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cli.profile import DemoConfig
from demo.school import School
from services.common.errors import HosoError

PERSON_ALGORITHM = "ECDSA_P256_SHA256"
SEAL_ALGORITHM = "RSA_PKCS1_SHA256"


@dataclass(frozen=True)
class DemoKey:
    """A signatory of the demo school. signatory: person id, or the school code for the seal."""

    signatory: str
    name: str
    pin_file: Path
    algorithm: str


def signatories(folder: Path, school: School) -> list[DemoKey]:
    """The signatories of the school's books: teachers, office, and the seal last."""
    office = {school.principal, school.data_officer}
    signing = [p for p in school.people if p.id in office or p.id in school.teachers]
    pins = folder / "pins"
    keys = [DemoKey(p.id, p.name, pins / p.id, PERSON_ALGORITHM) for p in signing]
    return [*keys, DemoKey(school.code, school.name, pins / school.code, SEAL_ALGORITHM)]


def perform(demo: DemoConfig, school: School) -> tuple[list[DemoKey], Path]:
    """Write the ceremony's configuration and run it in a process of its own, as an operator would.

    Returns the keys and the file of the ceremony's record. Repeating it changes nothing. Raises
    HosoError with the end of the ceremony's output when it fails.
    """
    folder = demo.folder / "ceremony"
    (folder / "pins").mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = signatories(folder, school)
    record = folder / "record.json"
    config = folder / "ceremony.toml"
    config.write_text(_ceremony_file(demo, school, keys, folder, record), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "services.signing", "ceremony", "--config", str(config)],
        env=os.environ | {"SOFTHSM2_CONF": str(demo.softhsm_conf)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise HosoError("CEREMONY_FAILED", done.stderr.strip()[-800:] or "the key ceremony failed")
    return keys, record


def _ceremony_file(demo: DemoConfig, school: School, keys: list[DemoKey], folder: Path, record: Path) -> str:
    lines = [
        "# Key ceremony of the demo school; see docs/operations/keys.md",
        f"module = {_text(demo.pkcs11_module)}",
        'module_name = "softhsm2"',
        f"so_pin_file = {_text(folder / 'pins' / 'security-officer')}",
        f"ca_dir = {_text(demo.ca_dir)}",
        f"certificates_dir = {_text(folder / 'certificates')}",
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
