"""Locked puts on both real stores: repeated, raced, cut short and tampered with."""

import dataclasses
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from minio.commonconfig import COMPLIANCE, GOVERNANCE
from minio.retention import Retention

from deploy.local import layout
from services.archive import worm
from services.common.errors import NotFound, Rejected, Unavailable
from tests.integration.archive.stores import RunningStore

_META = {"kind": "class-book"}


def _soon(seconds: int = 60) -> datetime:
    return worm.whole_seconds(datetime.now(UTC) + timedelta(seconds=seconds))


def _content(store: RunningStore, text: str) -> tuple[bytes, bytes, str]:
    data = f"{text} {store.config.bucket}".encode()
    sha256 = hashlib.sha256(data).digest()
    return data, sha256, worm.content_key(sha256)


def test_put_is_locked_and_read_by_version(store: RunningStore) -> None:
    data, sha256, key = _content(store, "one")
    until = _soon()
    version = store.worm().put_locked(key, data, sha256, until, _META)
    assert store.worm().read(key, version) == data
    assert store.worm().retention(key, version) == worm.Retention(COMPLIANCE, until)
    assert [v.version_id for v in store.worm().versions(key)] == [version]


def test_repeating_a_put_adds_nothing_and_extends(store: RunningStore) -> None:
    data, sha256, key = _content(store, "again")
    first = store.worm().put_locked(key, data, sha256, _soon(40), _META)
    later = _soon(80)
    assert store.worm().put_locked(key, data, sha256, later, _META) == first
    assert store.worm().put_locked(key, data, sha256, _soon(20), _META) == first
    assert len(store.worm().versions(key)) == 1
    assert store.worm().retention(key, first) == worm.Retention(COMPLIANCE, later)


def test_racing_puts_leave_one_version(store: RunningStore) -> None:
    data, sha256, key = _content(store, "race")
    until = _soon()
    with ThreadPoolExecutor(8) as pool:
        versions = set(pool.map(lambda _: store.worm().put_locked(key, data, sha256, until, _META), range(8)))
    assert len(versions) == 1
    assert len(store.worm().versions(key)) == 1


def test_large_record_is_one_version(store: RunningStore) -> None:
    data = hashlib.shake_256(store.config.bucket.encode()).digest(12_000_000)
    sha256 = hashlib.sha256(data).digest()
    key = worm.content_key(sha256)
    version = store.worm().put_locked(key, data, sha256, _soon(), _META)
    assert store.worm().read(key, version) == data


def test_other_bytes_than_announced_are_refused(store: RunningStore) -> None:
    data, sha256, key = _content(store, "announced")
    other = key[:-1] + ("1" if key.endswith("0") else "0")
    for wrong in ((key, data + b"!", sha256), (other, data, sha256), ("records/other", data, sha256)):
        with pytest.raises(Rejected, match="mã băm"):
            store.worm().put_locked(*wrong, _soon(), _META)
    assert store.worm().versions(key) == []


def test_naive_time_is_refused(store: RunningStore) -> None:
    data, sha256, key = _content(store, "naive")
    with pytest.raises(ValueError, match="aware"):
        store.worm().put_locked(key, data, sha256, datetime.now(), _META)  # noqa: DTZ005


@pytest.mark.parametrize("forgery", ["second version", "delete marker", "other bytes", "governance", "no lock"])
def test_tampering_is_named(store: RunningStore, forgery: str) -> None:
    data, sha256, key = _content(store, forgery)
    intruder = worm.connect(store.config, store.admin)
    if forgery in {"second version", "delete marker"}:
        store.worm().put_locked(key, data, sha256, _soon(), _META)
    if forgery == "second version":
        intruder.put_object(store.config.bucket, key, io.BytesIO(b"forged"), 6)
    elif forgery == "delete marker":
        intruder.remove_object(store.config.bucket, key)
    else:
        body = b"forged" if forgery == "other bytes" else data
        lock = None if forgery == "no lock" else Retention(GOVERNANCE, _soon())
        intruder.put_object(store.config.bucket, key, io.BytesIO(body), len(body), retention=lock)
    before = store.worm().versions(key)
    with pytest.raises(Rejected) as refused:
        store.worm().put_locked(key, data, sha256, _soon(), _META)
    assert refused.value.reason == "STORE_TAMPERED"
    assert store.worm().versions(key) == before


def test_extend_never_shortens(store: RunningStore) -> None:
    data, sha256, key = _content(store, "extend")
    until = _soon(60)
    version = store.worm().put_locked(key, data, sha256, until, _META)
    with pytest.raises(Rejected) as refused:
        store.worm().extend(key, version, until - timedelta(seconds=1))
    assert refused.value.reason == "RETENTION_SHORTER"
    store.worm().extend(key, version, until)
    store.worm().extend(key, version, until + timedelta(seconds=30))
    assert store.worm().retention(key, version) == worm.Retention(COMPLIANCE, until + timedelta(seconds=30))


def test_unlocked_bucket_is_refused(store: RunningStore) -> None:
    plain = f"{store.config.bucket}-plain"
    worm.connect(store.config, store.admin).make_bucket(plain)
    unlocked = worm.WormStore(dataclasses.replace(store.config, bucket=plain), store.own)
    with pytest.raises(Rejected) as refused:
        unlocked.require_lock()
    assert refused.value.reason == "BUCKET_NOT_LOCKED"
    with pytest.raises(Rejected):
        worm.WormStore(dataclasses.replace(store.config, bucket=f"{plain}-none"), store.own).require_lock()
    store.worm().require_lock()


def test_missing_and_away(store: RunningStore) -> None:
    data, sha256, key = _content(store, "missing")
    version = store.worm().put_locked(key, data, sha256, _soon(), _META)
    with pytest.raises(NotFound):
        store.worm().read(key + "0", version)
    away = worm.WormStore(dataclasses.replace(store.config, endpoint=f"{layout.HOST}:1"), store.own)
    with pytest.raises(Unavailable):
        away.put_locked(key, data, sha256, _soon(), _META)


def test_wrong_secret_and_wrong_ca_wait_for_the_operator(store: RunningStore) -> None:
    _, _, key = _content(store, "secret")
    wrong = worm.WormStore(store.config, worm.Credentials(store.own.access_key, "not the secret key"))
    with pytest.raises(Unavailable):
        wrong.versions(key)
    system_roots = dataclasses.replace(store.config, ca_file=None)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        worm.WormStore(system_roots, store.own).versions(key)
