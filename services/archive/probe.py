"""The WORM probe: tries everything that could remove or change a locked object, as the store's
administrator.

"Supports object lock" is no evidence: several stores refuse a plain delete and still accept
COMPLIANCE → GOVERNANCE followed by a bypass. No record is accepted until this report passes for the
configured store (ADR-0021). It works in a bucket of its own with locks of seconds; one object there
stays locked for a day.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error

from services.archive import backdoors
from services.archive.config import StoreConfig
from services.archive.probe_checks import CHECKS
from services.archive.probe_target import Hole, Target
from services.archive.proof import ProbeCheck, ProbeReport
from services.archive.worm import Credentials, connect
from services.common.errors import Unavailable


def run(config: StoreConfig, admin: Credentials, own: Credentials) -> ProbeReport:
    """Probe the configured store; takes some ten seconds. Raises Unavailable when it cannot be
    reached.
    """
    return attack(config, connect(config, admin), connect(config, own), own)


def attack(config: StoreConfig, admin: Minio, own: Minio, own_credentials: Credentials) -> ProbeReport:
    """`run` with given clients, so that tests can use a store that lies."""
    started = datetime.now(UTC)
    target = Target(config, admin, own, own_credentials, config.probe_bucket)
    _clean(target)
    checks = [_run_one(target, name, expected, function) for name, expected, function in CHECKS]
    with ThreadPoolExecutor(max_workers=8) as pool:  # most of the time there is waiting for ports that do not answer
        checks += pool.map(lambda address: _outside(target, address), config.forbidden_ports)
    return ProbeReport(config.endpoint, config.bucket, config.probe_bucket, started, datetime.now(UTC), tuple(checks))


def _run_one(target: Target, name: str, expected: str, function: Callable[[Target], str]) -> ProbeCheck:
    try:
        return ProbeCheck(name, expected, function(target), True)
    except Hole as hole:
        return ProbeCheck(name, expected, str(hole), False)
    except MinioException as e:
        return ProbeCheck(name, expected, getattr(e, "code", None) or type(e).__name__, False)
    except urllib3.exceptions.HTTPError as e:
        raise Unavailable("STORE_AWAY", "Kho lưu trữ tạm thời không phục vụ được.", check=name, why=str(e)) from e


def _outside(target: Target, address: str) -> ProbeCheck:
    """A port other than S3; see `backdoors`."""

    def through_the_port(target: Target) -> str:
        obj = target.put()
        got = backdoors.try_port(address, target.bucket, obj.key)
        if got is not None:
            raise Hole(got)
        target.must_be_intact(obj)
        return "nothing got through"

    return _run_one(target, f"outside:{address}", "closed, or refuses every change and every RPC", through_the_port)


def _clean(target: Target) -> None:
    """Remove what earlier runs left and whose lock has ended, so that the probe bucket does not
    grow without limit.
    """
    try:
        listed = list(target.admin.list_objects(target.bucket, prefix="probe/", recursive=True, include_version=True))
        left = [DeleteObject(str(o.object_name), o.version_id) for o in listed]
        # Those still locked are refused, as they should be.
        for _ in target.admin.remove_objects(target.bucket, left):
            pass
    except S3Error as e:
        raise Unavailable("PROBE_BUCKET", "Chưa có vùng thử của kho lưu trữ.", bucket=target.bucket, code=e.code) from e
    except urllib3.exceptions.HTTPError as e:
        raise Unavailable("STORE_AWAY", "Kho lưu trữ tạm thời không phục vụ được.", why=str(e)) from e


def provision(config: StoreConfig, admin: Credentials) -> list[str]:
    """Create the records and the probe bucket with object lock where they are missing; the names of
    those made.

    Never makes an existing bucket lockable: what it holds was not locked, and the operator must
    decide about it. Raises Unavailable.
    """
    client = connect(config, admin)
    made = []
    try:
        for bucket in (config.bucket, config.probe_bucket):
            if not client.bucket_exists(bucket):
                client.make_bucket(bucket, object_lock=True)
                made.append(bucket)
    except (MinioException, urllib3.exceptions.HTTPError) as e:
        raise Unavailable("STORE_AWAY", "Kho lưu trữ tạm thời không phục vụ được.", why=str(e)) from e
    return made
