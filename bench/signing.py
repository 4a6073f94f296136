"""Signing: documents per second through the signing path, against the bare rate of the same key,
and where time goes.

A document is one signature into the first field of a class book's signing copy: parse, digest,
token supervisor and owner process, CMS, write, check of the own output. The bare rate is C_Sign in
a loop in one process.
"""

import datetime as dt
import json
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench import tokens
from bench.pairs import Rates, Settings, Slice, Tell, repeat_for, take_turns
from bench.report import Row, compared
from deploy.local import softhsm
from deploy.local.layout import Stack
from services.print import render
from services.print.content import parse
from services.print.kind import Kind
from services.signing import token_wire as wire
from services.signing.pades import PersonalMark, SignerProfile, sign_field
from services.signing.pades.signature import verify_newest
from services.signing.token_client import TokenClient

AGAINST = "bare C_Sign of the same key in one process"
_DOCUMENTS_IN_PARTS = 30
_ALGORITHMS = {"p256": wire.ECDSA_P256_SHA256, "rsa3072": wire.RSA_PKCS1_SHA256}

_bare: list[tokens.BareToken] = []


@dataclass(frozen=True)
class Parts:
    """Where the time of one signature went, in seconds.

    hsm: supervisor, owner process and token. verify: the check of our own output, timed by a second
    one. pdf: the rest, that is reading the PDF, its new revision with the appearance, and the CMS.
    """

    pdf: float
    hsm: float
    verify: float


def measure(stack: Stack, content: bytes, settings: Settings, tell: Tell) -> list[Row]:
    """Per kind of key: a row of documents per second, and a row per part of a signature's time.

    content: canonical bytes of the class book that is signed.
    """
    pdf = render.render(parse(content), Kind.SIGNING).pdf
    field = json.loads(content)["signatories"][0]["field"]
    keys = tokens.make_keys(stack, _ALGORITHMS)
    rows = []
    with tokens.supervisor(stack, keys) as client:
        for name, key in zip(_ALGORITHMS, keys, strict=True):
            tell(f"key {name}")
            rates, timings = _compare(stack, key, client, pdf, field=field, settings=settings, tell=tell)
            rows += _rows(name, rates, timings, len(pdf))
    return rows


def _compare(
    stack: Stack, key: tokens.Key, client: TokenClient, pdf: bytes, *, field: str, settings: Settings, tell: Tell
) -> tuple[Rates, list[Parts]]:
    timings: list[Parts] = []
    in_token: list[float] = []

    def raw_sign(_: bytes, digest: bytes) -> bytes:
        start = time.perf_counter()
        value = client.sign(key.signatory, f"bench/{field}", digest)
        in_token.append(time.perf_counter() - start)
        return value

    profile = SignerProfile(key.chain, key.algorithm, raw_sign)

    def sign() -> float:
        signed_pdf()
        return 1

    def signed_pdf() -> bytes:
        return sign_field(
            pdf,
            field,
            profile,
            mark=PersonalMark("Nguyễn Thị Minh Khai"),
            reason="Giáo viên môn học",
            at=dt.datetime.now(dt.UTC),
            first=True,
            last=False,
        ).pdf

    def measure_parts() -> None:
        in_token.clear()
        start = time.perf_counter()
        signed = signed_pdf()
        end = time.perf_counter()
        verify_newest(signed, key.chain[0])
        verify_s = time.perf_counter() - end
        timings.append(Parts(end - start - in_token[0] - verify_s, in_token[0], verify_s))

    sign()  # loads fonts and encodes the signatory's fixed parts
    for _ in range(_DOCUMENTS_IN_PARTS):
        measure_parts()
    spawn = multiprocessing.get_context("spawn")
    arguments = (key, softhsm.environment(stack), stack.run / "bench.login")
    with ProcessPoolExecutor(1, spawn, initializer=_open_bare, initargs=arguments) as pool:
        rates = take_turns(
            settings.pairs,
            lambda _: repeat_for(settings.seconds, sign),
            {AGAINST: lambda _: pool.submit(_sign_bare, settings.seconds).result()},
            tell,
        )
    return rates, timings


def _open_bare(key: tokens.Key, environment: dict[str, str], login_lock: Path) -> None:
    _bare.append(tokens.BareToken(key, environment, login_lock))


def _sign_bare(seconds: float) -> Slice:
    return _bare[0].sign_for(seconds)


def _rows(name: str, rates: Rates, timings: list[Parts], size_bytes: int) -> list[Row]:
    note = f"one signature into a class book of {size_bytes // 1024} KiB; {len(timings)} documents in its parts"
    rows = [compared(f"signing.{name}", "documents/s", rates, AGAINST, note=note)]
    bare_ms = 1000 / statistics.median(rates.references[AGAINST])
    for part in ("pdf", "hsm", "verify"):
        spent_ms = 1000 * statistics.median(getattr(parts, part) for parts in timings)
        is_token = part == "hsm"
        rows.append(
            Row(
                f"signing.{name}.{part}",
                spent_ms,
                "ms/document",
                reference=bare_ms if is_token else None,
                against="bare C_Sign; the rest is supervisor and owner process" if is_token else "",
            )
        )
    return rows
