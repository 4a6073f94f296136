"""A certificate authority for tests and demonstrations, by certomancer: root → issuing CA → persons
and seals.

It stands where the Government's CA (Decree 68/2024/NĐ-CP) or a licensed public CA stands in
production, and does what they do: it sees a signed request and never a private key. Its folder is a
complete certomancer configuration, so `certomancer --config certomancer.yml animate` serves the
CRLs and OCSP answers that its certificates name.

``python -m deploy.local.certificate_authority <its folder> <requests> <certificates>`` answers the
requests of a key ceremony.
"""

import argparse
import contextlib
import datetime as dt
import fcntl
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]
from asn1crypto import csr as asn1_csr
from asn1crypto import pem, x509
from certomancer.registry import ArchLabel, CertLabel, CertomancerConfig
from cryptography import x509 as cx509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

_ARCH: Final = "hoso-test"
_CONFIG: Final = "certomancer.yml"
_YEAR: Final = dt.timedelta(days=365)
# Decree 23/2025/NĐ-CP: certificates of subscribers last three years at most.
_SUBSCRIBER_YEARS: Final = 3


class RequestRefusedError(Exception):
    """The certificate request is not signed by the key it names."""


class CertificateAuthority:
    """The authority kept in `folder`.

    `create` is repeatable; `issue` gives the same certificate for the same request.
    """

    def __init__(self, folder: Path, *, url: str = "http://127.0.0.1:9") -> None:
        self._folder = folder
        self._url = url

    def create(self) -> None:
        """Make the keys, certificates and configuration of the authority where they are missing."""
        with self._locked():
            for name in ("keys", "certs"):
                (self._folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            if (self._folder / _CONFIG).exists():
                return
            for name in ("root", "issuing", "ocsp"):
                _write_private_key(self._folder / "keys" / f"{name}.key.pem")
            config = _base_config(self._url, dt.datetime.now(dt.UTC))
            self._write_certificates(config, ["root", "issuing", "ocsp"])
            self._save(config)

    def issue(self, requests: Sequence[bytes]) -> list[x509.Certificate]:
        """Certificates for PKCS#10 requests (DER), in their order. Raises RequestRefusedError."""
        with self._locked():
            config: dict[str, Any] = yaml.safe_load((self._folder / _CONFIG).read_text(encoding="utf-8"))
            labels = [self._register(config, request) for request in requests]
            new = [label for label in labels if not self._certificate_file(label).exists()]
            if new:
                self._write_certificates(config, new)
                self._save(config)
            return [_read_certificate(self._certificate_file(label)) for label in labels]

    def answer(self, requests_dir: Path, certificates_dir: Path) -> None:
        """Answer every ``<name>.csr`` of a folder by ``<name>.pem``: its certificate, then the
        issuer's.

        Raises RequestRefusedError.
        """
        self.create()
        files = sorted(requests_dir.glob("*.csr"))
        requests = [pem.unarmor(file.read_bytes())[2] for file in files]
        issuing = self._certificate_file("issuing").read_bytes()
        certificates_dir.mkdir(parents=True, exist_ok=True)
        for file, certificate in zip(files, self.issue(requests), strict=True):
            answer = pem.armor("CERTIFICATE", certificate.dump()) + issuing
            (certificates_dir / f"{file.stem}.pem").write_bytes(answer)

    @property
    def root_file(self) -> Path:
        """Its root certificate, PEM."""
        return self._certificate_file("root")

    def _register(self, config: dict[str, Any], request: bytes) -> str:
        """Add the request's subject and key to the configuration; the label is made from both."""
        if not cx509.load_der_x509_csr(request).is_signature_valid:
            raise RequestRefusedError("the request is not signed by its own key")
        info = asn1_csr.CertificationRequest.load(request)["certification_request_info"]
        subject: x509.Name = info["subject"]
        label = f"s{info['subject_pk_info'].sha256.hex()[:16]}{subject.hashable.encode().hex()[-1:]}"
        arch = config["pki-architectures"][_ARCH]
        if label in arch["entities"]:
            return label
        public = self._folder / "keys" / f"{label}.pub.pem"
        public.write_bytes(pem.armor("PUBLIC KEY", info["subject_pk_info"].dump()))
        config["keysets"][_ARCH]["keys"][label] = {"path": public.name, "public-only": True}
        arch["entities"][label] = {key.replace("_", "-"): value for key, value in subject.native.items()}
        arch["certs"][label] = _subscriber(dt.datetime.now(dt.UTC))
        return label

    def _write_certificates(self, config: dict[str, Any], labels: Sequence[str]) -> None:
        built = CertomancerConfig(
            config, key_search_dir=str(self._folder), config_search_dir=str(self._folder), lazy_load_keys=True
        )
        arch = built.get_pki_arch(ArchLabel(_ARCH))
        for label in labels:
            certificate = arch.get_cert(CertLabel(label))
            file = self._certificate_file(label)
            file.write_bytes(pem.armor("CERTIFICATE", certificate.dump()))
            config["pki-architectures"][_ARCH]["certs"][label]["certificate-file"] = f"certs/{file.name}"

    def _certificate_file(self, label: str) -> Path:
        return self._folder / "certs" / f"{label}.cert.pem"

    def _save(self, config: dict[str, Any]) -> None:
        new = self._folder / f"{_CONFIG}.new"
        new.write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")
        new.rename(self._folder / _CONFIG)

    @contextlib.contextmanager
    def _locked(self) -> Any:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / ".lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _base_config(url: str, now: dt.datetime) -> dict[str, Any]:
    ca_extensions = [
        {"id": "basic_constraints", "critical": True, "value": {"ca": True}},
        _key_usage("key_cert_sign", "crl_sign"),
    ]
    return {
        "external-url-prefix": url,
        "keysets": {
            _ARCH: {
                "path-prefix": "keys",
                "keys": {name: {"path": f"{name}.key.pem"} for name in ("root", "issuing", "ocsp")},
            }
        },
        "pki-architectures": {
            _ARCH: {
                "keyset": _ARCH,
                "entities": {
                    "root": _ca_name("Hồ Sơ Test Root CA"),
                    "issuing": _ca_name("Hồ Sơ Test Issuing CA"),
                    "ocsp": _ca_name("Hồ Sơ Test OCSP"),
                },
                "certs": {
                    "root": _validity(now, 20)
                    | {"subject": "root", "issuer": "root", "subject-key": "root", "extensions": ca_extensions},
                    "issuing": _validity(now, 10)
                    | {"issuer": "root", "subject-key": "issuing", "extensions": [*ca_extensions, _crl_at("root")]},
                    "ocsp": _validity(now, 5)
                    | {
                        "issuer": "issuing",
                        "extensions": [
                            _key_usage("digital_signature"),
                            {"id": "extended_key_usage", "value": ["ocsp_signing"]},
                            {"id": "ocsp_no_check"},
                        ],
                    },
                },
                "services": {
                    "ocsp": {"issuing": {"for-issuer": "issuing", "responder-cert": "ocsp", "signing-key": "ocsp"}},
                    "crl-repo": {
                        name: {
                            "for-issuer": name,
                            "signing-key": name,
                            "simulated-update-schedule": "P1D",
                        }
                        for name in ("root", "issuing")
                    },
                },
            }
        },
    }


def _subscriber(now: dt.datetime) -> dict[str, Any]:
    return _validity(now, _SUBSCRIBER_YEARS) | {
        "issuer": "issuing",
        "serial": secrets.randbits(63) | 1 << 62,
        "extensions": [
            {"id": "basic_constraints", "critical": True, "value": {"ca": False}},
            _key_usage("digital_signature", "non_repudiation"),
            _crl_at("issuing"),
            {
                "id": "authority_information_access",
                "smart-value": {"schema": "aia-urls", "params": {"ocsp-responder-names": ["issuing"]}},
            },
        ],
    }


def _validity(now: dt.datetime, years: int) -> dict[str, Any]:
    start = (now - dt.timedelta(minutes=10)).replace(microsecond=0)
    return {"validity": {"valid-from": start.isoformat(), "valid-to": (start + years * _YEAR).isoformat()}}


def _ca_name(common_name: str) -> dict[str, str]:
    return {"country-name": "VN", "organization-name": "Hồ Sơ (thử nghiệm)", "common-name": common_name}


def _key_usage(*usages: str) -> dict[str, Any]:
    return {"id": "key_usage", "critical": True, "smart-value": {"schema": "key-usage", "params": list(usages)}}


def _crl_at(repository: str) -> dict[str, Any]:
    return {
        "id": "crl_distribution_points",
        "smart-value": {"schema": "crl-dist-url", "params": {"crl-repo-names": [repository]}},
    }


def _write_private_key(path: Path) -> None:
    # P-256, because certomancer reads the key again for every certificate and OpenSSL checks RSA
    # keys slowly.
    key = ec.generate_private_key(ec.SECP256R1())
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _read_certificate(path: Path) -> x509.Certificate:
    _, _, der = pem.unarmor(path.read_bytes())
    return x509.Certificate.load(der)


def main() -> None:
    """Answer the requests of a ceremony."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.certificate_authority")
    for name, text in (
        ("folder", "the authority's own folder, made when it is missing"),
        ("requests", "folder with <signatory>.csr"),
        ("certificates", "folder that receives <signatory>.pem"),
    ):
        parser.add_argument(name, type=Path, help=text)
    arguments = parser.parse_args()
    CertificateAuthority(arguments.folder).answer(arguments.requests, arguments.certificates)


if __name__ == "__main__":
    main()
