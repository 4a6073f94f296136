"""PAdES: puts one signature into one prepared field of a PDF, and checks a signed PDF against the
list of those who must have signed.

The only importer of pyHanko in this service. It computes digests and never sees a key: signature
values come from the caller's `raw_sign`.
"""

from services.signing.pades.appearance import Mark, PersonalMark, SealMark
from services.signing.pades.check import Expected, Report, SignatureReport, check
from services.signing.pades.signature import OwnOutputError, Signed, SignerProfile, sign_field, verify_raw

__all__ = [
    "Expected",
    "Mark",
    "OwnOutputError",
    "PersonalMark",
    "Report",
    "SealMark",
    "SignatureReport",
    "Signed",
    "SignerProfile",
    "check",
    "sign_field",
    "verify_raw",
]
