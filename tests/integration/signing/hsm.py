"""Real tokens (SoftHSM) and the key ceremony that fills them."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509

from deploy.local import softhsm
from deploy.local.certificate_authority import CertificateAuthority

SCHOOL = "79000123"


CUSTODIAN = "vt-001"


ALGORITHMS = {"gv-002": "RSA_PKCS1_SHA256", "gv-003": "RSA_PSS_SHA256", SCHOOL: "RSA_PKCS1_SHA256"}
"""Everybody else signs with ECDSA P-256."""


STOPPED = 75
"""Exit code of a ceremony that waits for certificates."""


@dataclass(frozen=True)
class Hsm:
    """Tokens of everybody who signs the class book of `tests.content`, and the record of their
    ceremony.
    """

    folder: Path
    environment: dict[str, str]

    @property
    def record(self) -> dict[str, Any]:
        """The ceremony's record."""
        record: dict[str, Any] = json.loads((self.folder / "record.json").read_text())
        return record

    def signatory(self, name: str) -> dict[str, Any]:
        """One entry of the record that PutSignatory takes."""
        return next(entry for entry in self.record["signatories"] if entry["id"] == name)

    @property
    def roots_file(self) -> Path:
        """The root of the authority that issued the certificates."""
        outside = self.folder / "authority.pem"
        return outside if outside.exists() else self.authority.root_file

    @property
    def roots(self) -> list[x509.Certificate]:
        """The same, read."""
        return x509.load_pem_x509_certificates(self.roots_file.read_bytes())

    def pin(self, name: str) -> str:
        """The PIN of a signatory's token."""
        return (self.folder / "pins" / f"{name}.pin").read_text()

    def chain(self, name: str) -> tuple[bytes, ...]:
        """Certificates in DER, own first, root last."""
        return tuple(bytes.fromhex(der) for der in self.signatory(name)["certificate_chain"])

    def ceremony(self) -> subprocess.CompletedProcess[str]:
        """Hold the ceremony to its end: when it stops, the authority answers its requests."""
        done = self.ceremony_step()
        if done.returncode != STOPPED:
            return done
        self.authority.answer(self.folder / "requests", self.folder / "certs")
        return self.ceremony_step()

    def ceremony_step(self) -> subprocess.CompletedProcess[str]:
        """Run the ceremony once, as an administrator does."""
        return run_role("ceremony", self.folder / "ceremony.toml", self.environment)

    @property
    def authority(self) -> CertificateAuthority:
        """The stack's own certificate authority, in a folder of this test."""
        return CertificateAuthority(self.folder / "ca")


def run_role(role: str, config: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A role that ends by itself."""
    command = [sys.executable, "-m", "services.signing", role, "--config", str(config)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | environment, timeout=120
    )


@contextlib.contextmanager
def token_away(hsm: Hsm, who: str) -> Iterator[None]:
    """The token of `who` is unplugged: its files are moved out of SoftHSM's folder."""
    serial = next(key["token_serial"] for key in hsm.record["keys"] if key["signatory"] == who)
    folders = (hsm.folder / "tokens").iterdir()
    own = next(folder for folder in folders if folder.name.replace("-", "").endswith(serial))
    away = hsm.folder / "unplugged"
    own.rename(away)
    try:
        yield
    finally:
        away.rename(own)


def ceremony_toml(folder: Path, keys: list[dict[str, Any]]) -> str:
    """A ceremony's configuration file."""
    lines = [
        f'module = "{softhsm.module()}"',
        'module_name = "softhsm"',
        f'so_pin_file = "{folder}/pins/so.pin"',
        f'requests_dir = "{folder}/requests"',
        f'certificates_dir = "{folder}/certs"',
        f'authority_file = "{folder}/ca/certs/root.cert.pem"',
        f'record_file = "{folder}/record.json"',
        "create_pins = true",
    ]
    for key in keys:
        lines += ["[[keys]]", *(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in key.items())]
    return "\n".join(lines) + "\n"


def key_plan(folder: Path, signatory: str, name: str, **more: Any) -> dict[str, Any]:
    """One entry of a ceremony's configuration."""
    plan = {
        "signatory": signatory,
        "name": name,
        "organisation": "Trường THCS Nguyễn Du",
        "school": SCHOOL,
        "token": f"hoso-{signatory}",
        "pin_file": f"{folder}/pins/{signatory}.pin",
        "algorithm": ALGORITHMS.get(signatory, "ECDSA_P256_SHA256"),
    }
    return plan | more


def make_hsm(folder: Path, keys: list[dict[str, Any]]) -> Hsm:
    """An empty SoftHSM and a ceremony ready to be performed."""
    tokens = folder / "tokens"
    tokens.mkdir(parents=True)
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    (folder / "ceremony.toml").write_text(ceremony_toml(folder, keys), encoding="utf-8")
    return Hsm(folder, {"SOFTHSM2_CONF": str(settings)})
