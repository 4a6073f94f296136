"""The key ceremony: from a reviewed file to tokens whose keys were born inside them, with
certificates of an authority that is not ours.

For each signatory: token initialised, PIN set, key pair generated in the token (sensitive, not
extractable, local), request signed by the key itself. Then the ceremony stops. The certificate
authority answers the requests wherever it is; when its certificates are brought back, the same
command checks them, stores them in the tokens and writes the record. A repeated ceremony changes
nothing, and an interrupted one is completed. PINs come from files of mode 0600 and appear in no
argument, log or record.
"""

import datetime as dt
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from services.signing.ceremony import issued, record, request, token
from services.signing.ceremony.files import write_whole
from services.signing.ceremony.issued import Issued
from services.signing.ceremony.plan import CeremonyConfig, CeremonyError, KeyPlan, check
from services.signing.ceremony.token import KeyInToken

__all__ = ["CeremonyConfig", "CeremonyError", "KeyPlan", "Stopped", "perform"]

_PIN_DIGITS = 8


@dataclass(frozen=True)
class Stopped:
    """All requests are written; these certificates are missing."""

    missing: tuple[Path, ...]


def perform(config: CeremonyConfig) -> str | Stopped:
    """Carry the ceremony as far as it goes: the text of the written record, or what it waits for.

    Raises CeremonyError, and then no certificate is stored and no record written; ConfigError (PIN
    files).
    """
    check(config.keys)
    if config.create_pins:
        for file in (config.so_pin_file, *(plan.pin_file for plan in config.keys)):
            _create_pin(file)
    keys = [_prepare(config, plan) for plan in config.keys]
    missing = tuple(file for file in map(config.certificate_file, config.keys) if not file.exists())
    if missing:
        return Stopped(missing)
    certificates = _judge_all(config, keys)
    for plan, key, certificate in zip(config.keys, keys, certificates, strict=True):
        if certificate.chain[0] not in key.certificates:
            with token.opened(config, plan) as open_key:
                token.store_certificate(open_key, certificate.chain[0])
    made = _made_keys(config)
    records = [
        record.key_record(config, plan, key, certificate, made_now=key.public_sha256.hex() in made)
        for plan, key, certificate in zip(config.keys, keys, certificates, strict=True)
    ]
    text = record.write(config, records, certificates)
    _made_file(config).unlink(missing_ok=True)
    return text


def _create_pin(file: Path) -> None:
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text("".join(secrets.choice("0123456789") for _ in range(_PIN_DIGITS)), encoding="ascii")


def _prepare(config: CeremonyConfig, plan: KeyPlan) -> KeyInToken:
    """The token, its key and the request for its certificate; each is made when it is missing."""
    with token.opened(config, plan) as key:
        if key.made_now:
            made = _made_keys(config) | {key.facts.public_sha256.hex()}
            write_whole(_made_file(config), json.dumps(sorted(made)).encode())
        request.write(config.request_file(plan), key, plan)
        return key.facts


def _judge_all(config: CeremonyConfig, keys: list[KeyInToken]) -> list[Issued]:
    """Every certificate, before anything is stored. Raises CeremonyError with all that is wrong."""
    authority = issued.read_authority(config.authority_file)
    now = dt.datetime.now(dt.UTC)
    accepted, problems = [], []
    for plan, key in zip(config.keys, keys, strict=True):
        judged = issued.judge(config.certificate_file(plan), plan, key.public_key, authority=authority, at=now)
        if isinstance(judged, Issued):
            accepted.append(judged)
        else:
            problems += judged
    if problems:
        raise CeremonyError("certificates refused:\n" + "\n".join(problems))
    return accepted


def _made_file(config: CeremonyConfig) -> Path:
    """Which keys this ceremony has made, kept from the stop until the record is written."""
    return config.requests_dir / "made.json"


def _made_keys(config: CeremonyConfig) -> set[str]:
    file = _made_file(config)
    return set(json.loads(file.read_bytes())) if file.exists() else set()
