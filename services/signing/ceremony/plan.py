"""What a ceremony is to make: its reviewed configuration file, and what cannot be carried out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.common.config import ConfigError
from services.signing import token_wire as wire

LABEL_BYTES: Final = 32
"""Length of a token's label (CK_TOKEN_INFO.label)."""

# X.520 serialNumber, X.680 PrintableString
_PRINTABLE_STRING: Final = re.compile(r"[A-Za-z0-9'()+,./:=?-]{1,64}")


class CeremonyError(ConfigError):
    """The ceremony cannot go on; the message says at which signatory or file, and why.

    Nothing that exists was changed.
    """


@dataclass(frozen=True)
class KeyPlan:
    """One signatory's token.

    signatory: person id, or the school code for the seal. name: as the certificate shall say (CN);
    organisation: the school's name (O); school: its code. token: label. custodian: person id, for
    the seal and only there.
    """

    signatory: str
    name: str
    organisation: str
    school: str
    token: str
    pin_file: Path
    custodian: str = ""
    algorithm: str = wire.ECDSA_P256_SHA256


@dataclass(frozen=True)
class CeremonyConfig:
    """A ceremony.

    module: PKCS#11 module; module_name: its name in key URIs.
    requests_dir: receives <signatory>.csr for the certificate authority.
    certificates_dir: where the issued certificates are brought back as <signatory>.pem, each the
        signatory's own first; issuing certificates may follow.
    authority_file: PEM; the root of the certificate authority that the witnesses trust, and issuing
        certificates that do not stand in the files brought back. Read when those files are there.
    record_file: the record, JSON.
    create_pins: make missing PIN files (random digits), for a demonstration or sealed PIN letters.
    """

    module: Path
    module_name: str
    so_pin_file: Path
    requests_dir: Path
    certificates_dir: Path
    authority_file: Path
    record_file: Path
    keys: tuple[KeyPlan, ...]
    create_pins: bool = False

    def request_file(self, plan: KeyPlan) -> Path:
        """Where the request of this signatory is written."""
        return self.requests_dir / f"{plan.signatory}.csr"

    def certificate_file(self, plan: KeyPlan) -> Path:
        """Where the certificate of this signatory is expected."""
        return self.certificates_dir / f"{plan.signatory}.pem"


def check(keys: Sequence[KeyPlan]) -> None:
    """Raises CeremonyError for plans that no token or certificate can hold."""
    for values, what in (([p.signatory for p in keys], "signatory"), ([p.token for p in keys], "token")):
        repeated = sorted({value for value in values if values.count(value) > 1})
        if repeated:
            raise CeremonyError(f"{what} named twice: {', '.join(repeated)}")
    for plan in keys:
        if len(plan.token.encode()) > LABEL_BYTES:
            raise CeremonyError(f"{plan.signatory}: token label is longer than {LABEL_BYTES} bytes")
        if not _PRINTABLE_STRING.fullmatch(plan.signatory):
            raise CeremonyError(
                f"{plan.signatory}: a certificate's serialNumber holds letters, digits and '()+,-./:=? only"
            )
        if "/" in plan.signatory or plan.signatory.startswith("."):
            raise CeremonyError(f"{plan.signatory}: a signatory id names files, so it holds no / and no dot in front")
        if plan.algorithm not in wire.ALGORITHMS:
            raise CeremonyError(f"{plan.signatory}: unknown algorithm {plan.algorithm}")
