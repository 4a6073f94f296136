"""Tokens for the bench: keys from the key ceremony in SoftHSM, the real supervisor, and a token
used bare.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pkcs11

from bench import stack as stacks
from bench.pairs import Slice, repeat_for
from deploy.local import configs, postgres, rabbitmq, softhsm
from deploy.local.certificate_authority import CertificateAuthority
from deploy.local.layout import REPOSITORY, Stack, write_private
from services.common.config import read_secret
from services.signing import key_uri, token_owner
from services.signing import token_wire as wire
from services.signing.ceremony import CeremonyConfig, KeyPlan
from services.signing.config import SigningConfig
from services.signing.token_client import TokenClient
from services.signing.tokens_config import TokensConfig

_MODULE = "softhsm2"
_BATCH = 20
_SIGNATURES = 10_000_000
_ACTIVE_S = 3600.0


@dataclass(frozen=True)
class Key:
    """A signatory's key. chain: certificates in DER, own first."""

    signatory: str
    algorithm: str
    uri: str
    pin: str
    chain: tuple[bytes, ...]


def make_keys(stack: Stack, algorithms: Mapping[str, str]) -> list[Key]:
    """One key per name → algorithm, made by the key ceremony. Raises RuntimeError with its output
    when it fails.
    """
    folder = stack.root / "keys"
    (folder / "pins").mkdir(mode=0o700, parents=True)
    plans = tuple(
        KeyPlan(
            signatory=f"bench-{name}",
            name="Nguyễn Thị Minh Khai",
            organisation="Trường THCS Lê Quý Đôn",
            school="31000705",
            token=f"bench-{name}",
            pin_file=folder / "pins" / name,
            algorithm=algorithm,
        )
        for name, algorithm in algorithms.items()
    )
    record = folder / "record.json"
    authority = CertificateAuthority(folder / "ca")
    config = CeremonyConfig(
        module=softhsm.module(),
        module_name=_MODULE,
        so_pin_file=folder / "pins" / "security-officer",
        requests_dir=folder / "requests",
        certificates_dir=folder / "certificates",
        authority_file=authority.root_file,
        record_file=record,
        keys=plans,
        create_pins=True,
    )
    write_private(folder / "ceremony.toml", configs.dump(config))
    _hold(stack, folder / "ceremony.toml")
    authority.answer(config.requests_dir, config.certificates_dir)
    _hold(stack, folder / "ceremony.toml")
    entries = {entry["id"]: entry for entry in json.loads(record.read_text(encoding="utf-8"))["signatories"]}
    return [_key(plan, entries[plan.signatory]) for plan in plans]


def _hold(stack: Stack, config: Path) -> None:
    """Hold the ceremony as far as it goes: to its requests (75), or to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "services.signing", "ceremony", "--config", str(config)],
        cwd=REPOSITORY,
        env=os.environ | softhsm.environment(stack),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 75}:
        raise RuntimeError(f"the key ceremony failed: {done.stderr.strip()[-800:]}")


def _key(plan: KeyPlan, entry: dict[str, Any]) -> Key:
    chain = tuple(bytes.fromhex(der) for der in entry["certificate_chain"])
    return Key(plan.signatory, plan.algorithm, entry["key_uri"], read_secret(plan.pin_file), chain)


@contextlib.contextmanager
def supervisor(stack: Stack, keys: Sequence[Key]) -> Iterator[TokenClient]:
    """Signing's role `tokens` with all `keys` active, and a client of it."""
    socket = stack.sockets / "bench-tokens.sock"
    config = SigningConfig(
        database=postgres.config(stack, "signing"),
        broker=rabbitmq.config(stack, "service/signing"),
        server=stacks.server(stack, "signing"),
        print=stacks.peer(stack, "print", "service/signing"),
        gradebook=stacks.peer(stack, "gradebook", "service/signing"),
        tokens=TokensConfig(socket, {_MODULE: softhsm.module()}),
        trust_roots_file=stack.root / "keys" / "ca" / "certs" / "root.cert.pem",
    )
    with stacks.running(stack, "signing", "tokens", config, softhsm.environment(stack)):
        stacks.until(socket.exists, "the token supervisor opens its socket")
        client = TokenClient(socket)
        for key in keys:
            until = time.time() + _ACTIVE_S
            client.activate(key.signatory, key.uri, key.algorithm, key.pin, max_signatures=_SIGNATURES, until=until)
        yield client


class BareToken:
    """The same key in one process without anything around it. Make it in a process that loads no
    other module.
    """

    def __init__(self, key: Key, environment: dict[str, str], login_lock: Path) -> None:
        os.environ.update(environment)  # the PKCS#11 module reads it when it is loaded
        uri = key_uri.parse(key.uri)
        opened = token_owner.open_key(
            {
                "module": str(softhsm.module()),
                "token": uri.token,
                "serial": uri.serial,
                "label": uri.label,
                "id": uri.key_id.hex(),
                "pin": key.pin,
                "login_lock": str(login_lock),
            }
        )
        digest = hashlib.sha256(b"bench").digest()
        if key.algorithm == wire.ECDSA_P256_SHA256:
            self._sign = partial(opened.sign, digest, mechanism=pkcs11.Mechanism.ECDSA)
        else:
            # RSA PKCS #1 v1.5 signs a DigestInfo, of 19 bytes more than the digest (RFC 8017, 9.2).
            self._sign = partial(opened.sign, bytes(19) + digest, mechanism=pkcs11.Mechanism.RSA_PKCS)

    def sign_for(self, seconds: float) -> Slice:
        """C_Sign again and again. The amount is signatures."""
        return repeat_for(seconds, self._some)

    def _some(self) -> float:
        for _ in range(_BATCH):
            self._sign()
        return _BATCH
