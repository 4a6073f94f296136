"""Authorities that certify people and each other in every shape."""

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


class Authority:
    """A name and a key, which may have several certificates."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def certifies(
        self,
        holder: "Authority | x509.Name",
        key: ec.EllipticCurvePublicKey | None = None,
        *,
        below: int | None = None,
        ends: dt.datetime = NOW + DAY,
        more: x509.ExtensionType | None = None,
    ) -> x509.Certificate:
        authority = isinstance(holder, Authority)
        name = holder.name if isinstance(holder, Authority) else holder
        public = holder.key.public_key() if isinstance(holder, Authority) else key
        assert public is not None
        usage = x509.KeyUsage(
            digital_signature=not authority,
            content_commitment=not authority,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=authority,
            crl_sign=authority,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            x509.CertificateBuilder(self.name, name, public, x509.random_serial_number(), NOW - 9 * DAY, ends)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=below), critical=True)
            .add_extension(usage, critical=True)
        )
        if more is not None:
            builder = builder.add_extension(more, critical=True)
        return builder.sign(self.key, hashes.SHA256())
