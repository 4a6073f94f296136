"""Writes each service's configuration as the service itself defines it, so that a wrong key cannot
pass mypy.
"""

import dataclasses
import json
from pathlib import Path

from cli.profile import DemoConfig, Profile
from services.archive.config import ArchiveConfig, StoreConfig
from services.common.settings import AnchorConfig, PeerConfig, ServerConfig, TlsConfig
from services.gradebook.config import Config as GradebookConfig
from services.print.config import PrintConfig
from services.signing.config import SigningConfig
from services.signing.tokens_config import TokensConfig

from . import objectstore, pki, postgres, rabbitmq, softhsm
from .layout import HOST, REPOSITORY, Stack, write_private
from .processes import PORT_OFFSETS


def write_all(stack: Stack) -> None:
    """Write ``config/<service>.toml`` for every service and ``config/cli.toml`` for the command
    ``hoso``.
    """
    _write(stack, "cli", _cli(stack))
    _write(stack, "gradebook", _gradebook(stack))
    _write(stack, "print", _print(stack))
    _write(stack, "signing", _signing(stack))
    _write(stack, "archive", _archive(stack))


def _cli(stack: Stack) -> Profile:
    return Profile(
        gradebook=_address(stack, "gradebook"),
        print=_address(stack, "print"),
        signing=_address(stack, "signing"),
        archive=_address(stack, "archive"),
        tls=_tls(stack, "operator/department"),
        vendor_tls=_tls(stack, "vendor/smas"),
        issuer=pki.ISSUER,
        issuer_key_file=stack.pki / "issuer.key",
        demo=DemoConfig(
            folder=REPOSITORY / ".run" / "demo" if stack.name == "main" else stack.root / "demo",
            pkcs11_module=softhsm.module(),
            softhsm_conf=softhsm.settings_file(stack),
            ca_dir=signing_ca(stack),
        ),
    )


def _gradebook(stack: Stack) -> GradebookConfig:
    return GradebookConfig(
        database=postgres.config(stack, "gradebook"),
        broker=rabbitmq.config(stack, "service/gradebook"),
        server=_server(stack, "gradebook"),
        anchor=_anchor(stack, "gradebook"),
    )


def _print(stack: Stack) -> PrintConfig:
    return PrintConfig(
        database=postgres.config(stack, "print"),
        broker=rabbitmq.config(stack, "service/print"),
        server=_server(stack, "print"),
        anchor=_anchor(stack, "print"),
        gradebook=_peer(stack, "print", "gradebook"),
    )


def _signing(stack: Stack) -> SigningConfig:
    return SigningConfig(
        database=postgres.config(stack, "signing"),
        broker=rabbitmq.config(stack, "service/signing"),
        server=_server(stack, "signing"),
        anchor=_anchor(stack, "signing"),
        print=_peer(stack, "signing", "print"),
        gradebook=_peer(stack, "signing", "gradebook"),
        tokens=TokensConfig(socket=stack.sockets / "tokens.sock", modules={"softhsm2": softhsm.module()}),
        trust_roots_file=_trust_roots(stack),
    )


def _archive(stack: Stack) -> ArchiveConfig:
    store = objectstore.choose(stack)
    return ArchiveConfig(
        database=postgres.config(stack, "archive"),
        broker=rabbitmq.config(stack, "service/archive"),
        server=_server(stack, "archive"),
        anchor=_anchor(stack, "archive"),
        gradebook=_peer(stack, "archive", "gradebook"),
        signing=_peer(stack, "archive", "signing"),
        store=StoreConfig(
            endpoint=store.endpoint,
            ca_file=store.ca_file,
            bucket="hoso-records",
            probe_bucket="hoso-probe",
            access_key=objectstore.ARCHIVE_ACCESS_KEY,
            secret_key_file=store.archive_secret_file,
            probe_access_key=objectstore.ROOT_ACCESS_KEY,
            probe_secret_key_file=store.root_secret_file,
            forbidden_ports=tuple(f"{HOST}:{port}" for port in store.forbidden_ports),
            region=objectstore.REGION,
        ),
        trust_roots_file=_trust_roots(stack),
    )


def signing_ca(stack: Stack) -> Path:
    """Folder of the test CA that stands where a licensed CA issues the signatories'
    certificates.
    """
    return stack.root / "signing-ca"


def _trust_roots(stack: Stack) -> Path:
    return signing_ca(stack) / "certs" / "root.cert.pem"


def _server(stack: Stack, service: str) -> ServerConfig:
    return ServerConfig(
        listen=_address(stack, service),
        tls=_tls(stack, f"service/{service}"),
        issuers_file=stack.pki / "issuers.json",
    )


def _anchor(stack: Stack, service: str) -> AnchorConfig:
    """The key that signs the audit heads of `service`, and the archive that locks them."""
    identity = pki.identity(stack, f"anchor/{service}")
    return AnchorConfig(
        key_file=identity.key_file, cert_file=identity.cert_file, archive=_peer(stack, service, "archive")
    )


def _peer(stack: Stack, service: str, peer: str) -> PeerConfig:
    """How `service` reaches `peer`."""
    return PeerConfig(address=_address(stack, peer), tls=_tls(stack, f"service/{service}"))


def _tls(stack: Stack, name: str) -> TlsConfig:
    identity = pki.identity(stack, name)
    return TlsConfig(ca_file=identity.ca_file, cert_file=identity.cert_file, key_file=identity.key_file)


def _address(stack: Stack, service: str) -> str:
    return f"{HOST}:{stack.port(PORT_OFFSETS[service])}"


def _write(stack: Stack, name: str, value: object) -> None:
    head = f"# Written by `python -m deploy.local up` for the stack {stack.name}; changes are lost.\n"
    write_private(stack.config / f"{name}.toml", head + dump(value))


def dump(value: object, path: str = "") -> str:
    """A configuration dataclass as TOML; None is left out. Raises TypeError for what TOML cannot
    say.
    """
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{path or 'configuration'}: {type(value).__name__} is no configuration")
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    plain = {name: value for name, value in fields.items() if value is not None and not dataclasses.is_dataclass(value)}
    tables = {name: value for name, value in fields.items() if dataclasses.is_dataclass(value)}
    lines = [f"{name} = {_literal(value, f'{path}{name}')}\n" for name, value in plain.items()]
    parts = [dump(value, f"{path}{name}.") for name, value in tables.items()]
    return "".join([*([f"\n[{path.removesuffix('.')}]\n"] if path else []), *lines, *parts])


def _literal(value: object, path: str) -> str:
    """A value in TOML. JSON's strings are TOML's basic strings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | Path):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, tuple):
        return "[" + ", ".join(_literal(item, path) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_literal(v, path)}" for k, v in value.items()) + " }"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return _literal({name: value for name, value in given.items() if value is not None}, path)
    raise TypeError(f"{path}: {type(value).__name__} has no TOML form here")
