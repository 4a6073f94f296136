"""Keys in real tokens: what the supervisor promises about bounds, PINs, crashes and hangs."""

import hashlib
import os
import secrets
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from deploy.local import softhsm
from services.common.errors import Rejected, Unavailable
from services.signing.pades import verify_raw
from services.signing.token_client import TokenClient
from tests.integration.signing.hsm import SCHOOL, Hsm, token_away
from tests.integration.signing.signing_service import Signing, answers
from tests.waiting import eventually


def activate(tokens: TokenClient, hsm: Hsm, who: str, *, pin: str | None = None, most: int = 10_000, s: float = 600):
    entry = hsm.signatory(who)
    return tokens.activate(
        who, entry["key_uri"], entry["algorithm"], pin or hsm.pin(who), max_signatures=most, until=time.time() + s
    )


def patient_sign(tokens: TokenClient, who: str, digest: bytes, failures: Counter[str]) -> bytes:
    """As `work` does: Unavailable is tried again, anything else fails the test."""
    for _ in range(200):
        try:
            return tokens.sign(who, "test", digest)
        except Unavailable as e:
            failures[e.reason] += 1
            time.sleep(0.05)
    raise AssertionError(failures)


def owner(tokens: TokenClient, who: str) -> int:
    return next(key.pid for key in tokens.status() if key.signatory == who and key.pid)


@pytest.mark.parametrize("who", ["gv-001", "gv-002", "gv-003"])
def test_each_algorithm_verifies_with_the_certificate(token_service: Signing, hsm: Hsm, who: str) -> None:
    algorithm, own = hsm.signatory(who)["algorithm"], hsm.chain(who)[0]
    with token_service.tokens() as tokens:
        digest, proof = activate(tokens, hsm, who)
        assert verify_raw(own, algorithm, digest, proof)
        wanted = secrets.token_bytes(32)
        assert verify_raw(own, algorithm, wanted, tokens.sign(who, "test", wanted))
        assert not verify_raw(own, algorithm, secrets.token_bytes(32), tokens.sign(who, "test", wanted))
        with pytest.raises(Rejected):
            tokens.sign(who, "test", b"not a SHA-256 digest")


def test_eight_threads_while_the_owner_is_killed(token_service: Signing, hsm: Hsm) -> None:
    """800 signatures, the owner killed three times in between: only Unavailable is seen, and every
    value verifies.
    """
    failures: Counter[str] = Counter()
    made: list[tuple[bytes, bytes]] = []
    with token_service.tokens() as tokens:
        activate(tokens, hsm, "gv-001", most=800)

        def hundred(_: int) -> None:
            for _ in range(100):
                digest = secrets.token_bytes(32)
                made.append((digest, patient_sign(tokens, "gv-001", digest, failures)))

        def killer() -> None:
            for share in (100, 300, 500):
                eventually(lambda share=share: len(made) > share)
                eventually(lambda: kill_owner(tokens))

        with ThreadPoolExecutor(9) as threads:
            dying = threads.submit(killer)
            list(threads.map(hundred, range(8)))
            dying.result()
        eventually(lambda: tokens.status() == [])  # used up: 800, whatever was lost
    own = hsm.chain("gv-001")[0]
    assert len(made) == 800
    assert all(verify_raw(own, "ECDSA_P256_SHA256", digest, value) for digest, value in made)
    assert failures["OWNER_LOST"] >= 1


def kill_owner(tokens: TokenClient) -> bool:
    """Whether a living owner was killed now; the status may still name the one before."""
    pid = next((key.pid for key in tokens.status() if key.pid and key.ready), None)
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def test_the_count_holds_under_concurrency(token_service: Signing, hsm: Hsm) -> None:
    with token_service.tokens() as tokens:
        activate(tokens, hsm, "gv-001", most=20)

        def attempt(_: int) -> str:
            try:
                patient_sign(tokens, "gv-001", secrets.token_bytes(32), Counter())
            except Rejected as e:
                return e.reason
            return "signed"

        with ThreadPoolExecutor(8) as threads:
            results = Counter(threads.map(attempt, range(60)))
    assert results == {"signed": 20, "KEY_NOT_ACTIVE": 40}


def test_the_time_ends_the_activation_and_its_process(token_service: Signing, hsm: Hsm) -> None:
    with token_service.tokens() as tokens:
        activate(tokens, hsm, "gv-001", s=2.0)
        pid = owner(tokens, "gv-001")
        tokens.sign("gv-001", "test", secrets.token_bytes(32))
        eventually(lambda: not psutil.pid_exists(pid))
        with pytest.raises(Rejected, match="chưa được kích hoạt"):
            tokens.sign("gv-001", "test", secrets.token_bytes(32))
        assert tokens.status() == []


@pytest.mark.parametrize(("s", "most"), [(13 * 3600, 1), (-1, 1), (60, 0)])
def test_no_activation_beyond_the_bounds(token_service: Signing, hsm: Hsm, s: float, most: int) -> None:
    with token_service.tokens() as tokens, pytest.raises(Rejected) as refused:
        activate(tokens, hsm, "gv-001", s=s, most=most)
    assert refused.value.reason.startswith("ACTIVATION_")


def test_a_wrong_pin_is_shown_to_the_token_once(token_service: Signing, hsm: Hsm) -> None:
    """The token counts wrong PINs; a program that repeats one would lock it."""
    with token_service.tokens() as tokens:
        with pytest.raises(Rejected) as refused:
            activate(tokens, hsm, "gv-004", pin="00000000")
        assert refused.value.reason == "PIN_INCORRECT"
        assert pin_count_low(hsm, "gv-004")
        activate(tokens, hsm, "gv-004")  # the right PIN resets the token's counter
        tokens.deactivate("gv-004")
        assert not pin_count_low(hsm, "gv-004")
        with pytest.raises(Rejected) as refused:
            activate(tokens, hsm, "gv-004", pin="00000000")
        assert refused.value.reason == "PIN_INCORRECT"
        assert not pin_count_low(hsm, "gv-004")


def pin_count_low(hsm: Hsm, who: str) -> bool:
    program = (
        "import pkcs11, sys; t = pkcs11.lib(sys.argv[1]).get_token(token_label=sys.argv[2]);"
        "print(pkcs11.TokenFlag.USER_PIN_COUNT_LOW in t.flags)"
    )
    command = [sys.executable, "-c", program, str(softhsm.module()), f"hoso-{who}"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | hsm.environment, check=True)
    return done.stdout.strip() == "True"


def test_one_token_serves_one_signatory(token_service: Signing, hsm: Hsm) -> None:
    entry = hsm.signatory("gv-001")
    with token_service.tokens() as tokens:
        activate(tokens, hsm, "gv-001")
        with pytest.raises(Rejected) as refused:
            tokens.activate(
                "gv-999",
                entry["key_uri"],
                entry["algorithm"],
                hsm.pin("gv-001"),
                max_signatures=1,
                until=time.time() + 60,
            )
        assert refused.value.reason == "TOKEN_IN_USE"


def test_a_hanging_token_is_killed_from_outside(token_service: Signing, hsm: Hsm) -> None:
    with token_service.tokens() as tokens:
        activate(tokens, hsm, "gv-001")
        pid = owner(tokens, "gv-001")
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(Unavailable) as hung:
            tokens.sign("gv-001", "test", secrets.token_bytes(32))
        assert hung.value.reason == "TOKEN_HANGS"
        assert time.monotonic() - started < 6  # the watchdog waits three seconds
        assert not psutil.pid_exists(pid)
        patient_sign(tokens, "gv-001", secrets.token_bytes(32), Counter())


def test_a_token_that_went_away_is_used_again_when_it_is_back(token_service: Signing, hsm: Hsm) -> None:
    with token_service.tokens() as tokens:
        activate(tokens, hsm, "gv-001")
        with token_away(hsm, "gv-001"):
            os.kill(owner(tokens, "gv-001"), signal.SIGKILL)
            reasons = set()
            for _ in range(20):
                with pytest.raises(Unavailable) as away:
                    tokens.sign("gv-001", "test", secrets.token_bytes(32))
                reasons.add(away.value.reason)
                time.sleep(0.05)
            assert "TOKEN_ERROR" in reasons
        patient_sign(tokens, "gv-001", secrets.token_bytes(32), Counter())


def test_a_killed_supervisor_locks_every_key(token_service: Signing, hsm: Hsm) -> None:
    """No owner survives it, people must activate again, a standing key opens by itself."""
    seal = hsm.signatory(SCHOOL)
    pin_file = hsm.folder / "pins" / f"{SCHOOL}.pin"
    standing = (
        f'[[tokens.standing_keys]]\nsignatory = "{SCHOOL}"\nkey_uri = "{seal["key_uri"]}"\n'
        f'algorithm = "{seal["algorithm"]}"\npin_file = "{pin_file}"\n'
    )
    token_service.config.write_text(token_service.config.read_text() + standing)
    with token_service.running("tokens") as supervisor:
        tokens = token_service.client()
        eventually(lambda: [key.signatory for key in tokens.status()] == [SCHOOL])
        activate(tokens, hsm, "gv-001")
        owners = [key.pid for key in tokens.status()]
        supervisor.kill()
        supervisor.wait()
        eventually(lambda: not any(psutil.pid_exists(pid) for pid in owners if pid))
        with pytest.raises(Unavailable):
            tokens.sign("gv-001", "test", secrets.token_bytes(32))
    with token_service.running("tokens"):
        eventually(lambda: answers(tokens) and [key.signatory for key in tokens.status()] == [SCHOOL])
        with pytest.raises(Rejected) as refused:
            tokens.sign("gv-001", "test", secrets.token_bytes(32))
        assert refused.value.reason == "KEY_NOT_ACTIVE"
        digest = secrets.token_bytes(32)
        assert verify_raw(hsm.chain(SCHOOL)[0], seal["algorithm"], digest, tokens.sign(SCHOOL, "test", digest))


def test_only_one_supervisor_serves_a_socket(token_service: Signing) -> None:
    with token_service.tokens(), token_service.running("tokens") as second:
        assert second.wait(20) == 78
    assert "another supervisor" in token_service.log.read_text()


def test_the_pin_is_nowhere_to_be_seen(token_service: Signing, hsm: Hsm) -> None:
    pin = hsm.pin("gv-001").encode()
    with token_service.running("tokens") as supervisor:
        tokens = token_service.client()
        activate(tokens, hsm, "gv-001")
        tokens.sign("gv-001", "test", secrets.token_bytes(32))
        assert stat.S_IMODE(token_service.socket.stat().st_mode) == 0o600
        processes = [supervisor.pid, owner(tokens, "gv-001")]
        for pid in processes:
            for file in ("cmdline", "environ"):
                assert pin not in Path(f"/proc/{pid}/{file}").read_bytes()
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert next(line for line in limits.splitlines() if "core" in line).split()[4:6] == ["0", "0"]
            # PR_SET_DUMPABLE 0 hands the process's /proc files to root.
            assert Path(f"/proc/{pid}/mem").stat().st_uid == 0
    assert pin not in token_service.log.read_bytes()


def test_many_keys_opened_at_once(token_service: Signing, hsm: Hsm) -> None:
    """SoftHSM loses tokens when several processes log in at the same time; ours take turns."""
    everybody = [entry["id"] for entry in hsm.record["signatories"]]
    with token_service.tokens() as tokens:
        with ThreadPoolExecutor(len(everybody)) as threads:
            list(threads.map(lambda who: activate(tokens, hsm, who), everybody))
        assert {key.signatory for key in tokens.status() if key.ready} == set(everybody)
        digest = hashlib.sha256(b"x").digest()
        results: list[bytes] = []
        signers = [
            threading.Thread(target=lambda who=who: results.append(tokens.sign(who, "test", digest)))
            for who in everybody
        ]
        for signer in signers:
            signer.start()
        for signer in signers:
            signer.join()
        assert len(results) == len(everybody)


def test_configuration_names_unknown_modules(token_service: Signing, hsm: Hsm) -> None:
    entry = hsm.signatory("gv-001")
    with token_service.tokens() as tokens, pytest.raises(Rejected) as refused:
        tokens.activate(
            "gv-001",
            entry["key_uri"].replace("module-name=softhsm", "module-name=other"),
            entry["algorithm"],
            "1",
            max_signatures=1,
            until=time.time() + 60,
        )
    assert refused.value.reason == "MODULE_UNKNOWN"
