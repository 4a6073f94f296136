"""The record of a ceremony: what the witnesses read out and sign, and what signing registers."""

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from asn1crypto import x509

from services.signing.ceremony.files import write_whole
from services.signing.ceremony.issued import Issued
from services.signing.ceremony.plan import CeremonyConfig, KeyPlan
from services.signing.ceremony.token import KEY_LABEL, KeyInToken

CUSTODY = "KEY_CUSTODY_HSM_PARTITION"


@dataclass(frozen=True)
class KeyRecord:
    """What the ceremony attests for one signatory. made_now: the key was made in this ceremony."""

    signatory: str
    name: str
    organisation: str
    token: str
    token_serial: str
    key_uri: str
    algorithm: str
    key_attributes: dict[str, bool]
    public_key_sha256: str
    certificate_file: str
    certificate_sha256: str
    certificate_serial: str
    certificate_subject: str
    not_after: str
    made_now: bool


def key_record(config: CeremonyConfig, plan: KeyPlan, key: KeyInToken, issued: Issued, *, made_now: bool) -> KeyRecord:
    """The record of one key and its certificate."""
    return KeyRecord(
        signatory=plan.signatory,
        name=plan.name,
        organisation=plan.organisation,
        token=plan.token,
        token_serial=key.token_serial,
        key_uri=_key_uri(config, plan, key),
        algorithm=plan.algorithm,
        key_attributes=key.attributes,
        public_key_sha256=key.public_sha256.hex(),
        certificate_file=str(config.certificate_file(plan)),
        certificate_sha256=hashlib.sha256(issued.chain[0]).hexdigest(),
        certificate_serial=f"{issued.own.serial_number:x}",
        certificate_subject=x509.Certificate.load(issued.chain[0]).subject.human_friendly,
        not_after=issued.own.not_valid_after_utc.isoformat(),
        made_now=made_now,
    )


def write(config: CeremonyConfig, records: Sequence[KeyRecord], issued: Sequence[Issued]) -> str:
    """Write the record (JSON) and return its text.

    ``keys`` is what the witnesses read out and sign, with ``authorities``, the roots under which
    the certificates stand. ``signatories`` is ready for `PutSignatory` (``hoso keys register``),
    certificates in hexadecimal DER.
    """
    document = {
        "performed_time": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "authorities": [_authority(root) for root in sorted({certificate.chain[-1] for certificate in issued})],
        "keys": [dataclasses.asdict(record) for record in records],
        "signatories": [
            _signatory(plan, record.key_uri, certificate.chain)
            for plan, record, certificate in zip(config.keys, records, issued, strict=True)
        ],
    }
    text = json.dumps(document, ensure_ascii=False, indent=1)
    write_whole(config.record_file, text.encode())
    return text


def _authority(root: bytes) -> dict[str, str]:
    subject = x509.Certificate.load(root).subject.human_friendly
    return {"subject": subject, "sha256": hashlib.sha256(root).hexdigest()}


def _signatory(plan: KeyPlan, key_uri: str, chain: Sequence[bytes]) -> dict[str, Any]:
    return {
        "id": plan.signatory,
        "school": plan.school,
        "name": plan.name,
        "seal": bool(plan.custodian),
        "custodian": plan.custodian,
        "key_uri": key_uri,
        "algorithm": plan.algorithm,
        "custody": CUSTODY,
        "certificate_chain": [der.hex() for der in chain],
    }


def _key_uri(config: CeremonyConfig, plan: KeyPlan, key: KeyInToken) -> str:
    return (
        f"pkcs11:token={quote(plan.token, safe='')};serial={quote(key.token_serial, safe='')};"
        f"object={KEY_LABEL};type=private?module-name={config.module_name}"
    )
