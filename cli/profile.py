"""The command line's own configuration, one TOML file: addresses and certificates."""

import os
from dataclasses import dataclass
from pathlib import Path

from services.common import config
from services.common.settings import TlsConfig

DEFAULT_PROFILE = Path(".run/main/config/cli.toml")


@dataclass(frozen=True)
class DemoConfig:
    """What the demo needs besides the services, since it also holds the key ceremony.

    folder: receives sealed PDFs, report.json and the ceremony's files. pkcs11_module, softhsm_conf:
    the token library and its configuration. ca_dir: the test CA that issues the signatories'
    certificates.
    """

    folder: Path
    pkcs11_module: Path
    softhsm_conf: Path
    ca_dir: Path


@dataclass(frozen=True)
class Profile:
    """The CLI's configuration.

    gradebook, print, signing, archive: addresses, ``host:port``.
    tls: certificate of the Department's operator.
    vendor_tls: certificate of a school software vendor; only where the CLI acts as a vendor (the
    demo).
    issuer, issuer_key_file: name and private key of a token issuer; only where the CLI acts for
    persons (the demo).
    demo: only where the demo may run.
    """

    gradebook: str
    print: str
    signing: str
    archive: str
    tls: TlsConfig
    vendor_tls: TlsConfig | None = None
    issuer: str = ""
    issuer_key_file: Path | None = None
    demo: DemoConfig | None = None


def load() -> Profile:
    """The profile named by HOSO_PROFILE, else the local stack's. Raises config.ConfigError."""
    return config.load(Profile, Path(os.environ.get("HOSO_PROFILE", DEFAULT_PROFILE)))
