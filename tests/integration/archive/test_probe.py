"""The WORM probe passes on both real stores and can fail: on a plain bucket, an open port, and a
store that lies.
"""

import dataclasses
import email.utils
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE, ENABLED, GOVERNANCE, Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from minio.retention import Retention

from deploy.local import layout
from services.archive import probe, proof, worm
from services.common.errors import Unavailable
from tests.integration.archive.stores import RunningStore


def _failed(report: proof.ProbeReport) -> dict[str, str]:
    return {c.name: c.observed for c in report.checks if not c.passed}


def test_both_stores_are_worm(store: RunningStore) -> None:
    report = probe.run(store.config, store.admin, store.own)
    assert _failed(report) == {}
    assert report.passed
    assert len(report.checks) == 24 + len(store.config.forbidden_ports)


def test_bucket_without_lock_fails(store: RunningStore) -> None:
    plain = f"{store.config.probe_bucket}-open"
    worm.connect(store.config, store.admin).make_bucket(plain)
    config = dataclasses.replace(store.config, probe_bucket=plain)
    failed = _failed(probe.run(config, store.admin, store.own))
    assert {"buckets-versioned-and-locked", "compliance-reported", "shorten", "suspend-versioning"} <= failed.keys()


class HollowStore(Minio):
    """Keeps GOVERNANCE and says COMPLIANCE: refuses the plain delete, so a naive test is green."""

    def put_object(self, *args: Any, retention: Retention | None = None, **more: Any) -> Any:
        if retention is not None:
            retention = Retention(GOVERNANCE, retention.retain_until_date)
        return super().put_object(*args, retention=retention, **more)

    def get_object_retention(self, *args: Any, **more: Any) -> Any:
        held = super().get_object_retention(*args, **more)
        return Retention(COMPLIANCE, held.retain_until_date) if held else None


class ForgetfulStore(Minio):
    """Reports the lock as asked for and never sets it."""

    def put_object(self, *args: Any, retention: Retention | None = None, **more: Any) -> Any:
        return super().put_object(*args, **more)


class LateStore(Minio):
    """Its clock is an hour behind."""

    def _execute(self, *args: Any, **more: Any) -> Any:
        response = super()._execute(*args, **more)
        response.headers["Date"] = email.utils.format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
        return response


def _lying(kind: type[Minio], store: RunningStore, credentials: worm.Credentials) -> Minio:
    pool = urllib3.PoolManager(
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(store.config.ca_file),
        assert_hostname=worm.SERVER_HOST,
        server_hostname=worm.SERVER_HOST,
        retries=False,
    )
    return kind(
        store.config.endpoint,
        credentials.access_key,
        credentials.secret_key,
        region=store.config.region,
        http_client=pool,
    )


def test_governance_sold_as_compliance_fails(store: RunningStore) -> None:
    own = _lying(HollowStore, store, store.own)
    report = probe.attack(store.config, worm.connect(store.config, store.admin), own, store.own)
    assert {"delete-version", "multi-delete", "shorten", "downgrade-then-bypass"} <= _failed(report).keys()


def test_lock_that_is_never_set_fails(store: RunningStore) -> None:
    own = _lying(ForgetfulStore, store, store.own)
    report = probe.attack(store.config, worm.connect(store.config, store.admin), own, store.own)
    assert {"compliance-reported", "delete-version", "multipart", "past-date"} <= _failed(report).keys()


def test_wrong_clock_expiry_rule_and_ignored_lock_fail(store: RunningStore) -> None:
    admin = worm.connect(store.config, store.admin)
    rule = Rule(ENABLED, rule_filter=Filter(prefix="records/"), expiration=Expiration(days=1))
    admin.set_bucket_lifecycle(store.config.bucket, LifecycleConfig([rule]))
    try:
        own, forgetful = _lying(LateStore, store, store.own), _lying(ForgetfulStore, store, store.admin)
        failed = _failed(probe.attack(store.config, forgetful, own, store.own))
    finally:
        admin.delete_bucket_lifecycle(store.config.bucket)
    assert {"clock", "no-lifecycle", "unlocked-bucket"} <= failed.keys()


def test_too_powerful_own_account_fails(store: RunningStore) -> None:
    report = probe.run(store.config, store.admin, store.admin)
    assert {"own-account", "governance"} <= _failed(report).keys()


def test_open_inner_ports_fail(open_seaweedfs: RunningStore) -> None:
    """SeaweedFS without mutual TLS inside: every rule of S3 holds, and a neighbour erases the
    locked object.
    """
    failed = _failed(probe.run(open_seaweedfs.config, open_seaweedfs.admin, open_seaweedfs.own))
    master, filer = open_seaweedfs.config.forbidden_ports[0], open_seaweedfs.config.forbidden_ports[4]
    assert failed[f"outside:{filer}"] == "DELETE buckets… answered 204"
    assert failed[f"outside:{master}"] == "GET col… answered 204"
    assert all(name.startswith("outside:") for name in failed)


def test_store_away_is_no_report(store: RunningStore) -> None:
    config = dataclasses.replace(store.config, endpoint=f"{layout.HOST}:1")
    with pytest.raises(Unavailable):
        probe.run(config, store.admin, store.own)
