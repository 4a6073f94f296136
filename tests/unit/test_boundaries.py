"""The architecture as a test: which module may import what. The rules are those of docs/architecture.md."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("gradebook", "print", "signing", "archive")

SERVICES_STORES = {f"services/{service}/store" for service in SERVICES}
SERVICERS = {f"services/{service}/service" for service in SERVICES}
ONLY_IN = {
    "nameko": {"services/common/consumer.py"},
    "eventlet": {"services/common/consumer.py", "services/common/process.py"},
    "pika": {"services/common/"},
    "pkcs11": {"services/signing/token_owner.py", "services/signing/owner_process.py", "services/signing/ceremony"},
    "pyhanko": {"services/signing/pades", "services/archive/evidence", "services/print/fields.py"},
    "minio": {"services/archive/worm.py", "services/archive/probe"},
    "typst": {"services/print/render.py"},
    "psycopg": {"services/common/", *SERVICES_STORES},
    "grpc": {"services/common/", "cli/", "demo/", *SERVICERS},
}
PURE = (
    "services/gradebook/rules/",
    "services/gradebook/domain.py",
    "services/gradebook/catalogue.py",
    "services/gradebook/content/",
    "services/print/content.py",
    "services/print/consistency/",
    "services/print/formats.py",
)
IMPURE = {"psycopg", "grpc", "pika", "minio", "pyhanko", "typst", "structlog", "socket", "subprocess", "time", "hoso"}


def modules(folder: str) -> Iterator[tuple[str, set[str]]]:
    """Path from the root and everything imported, anywhere in the file."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        found: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
        yield str(path.relative_to(ROOT)), found


def top(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


@pytest.mark.parametrize("service", SERVICES)
def test_services_never_import_each_other(service: str) -> None:
    others = tuple(f"services.{other}" for other in SERVICES if other != service)
    wrong = [
        (path, name) for path, names in modules(f"services/{service}") for name in names if name.startswith(others)
    ]
    assert wrong == []


def test_common_imports_no_service_and_no_domain_contract() -> None:
    allowed = ("services.common", "hoso.operations")
    wrong = [
        (path, name)
        for path, names in modules("services/common")
        for name in names
        if top(name) in {"services", "hoso", "cli", "demo", "deploy"} and not name.startswith(allowed)
    ]
    assert wrong == []


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_each_heavy_library_has_its_place(library: str) -> None:
    places = tuple(ONLY_IN[library])
    wrong = [
        path
        for folder in ("services", "cli", "demo")
        for path, names in modules(folder)
        if any(top(name) == library for name in names) and not path.startswith(places)
    ]
    assert wrong == []


def test_rules_do_no_input_or_output() -> None:
    wrong = [
        (path, name)
        for path, names in modules("services")
        if path.startswith(PURE)
        for name in names
        if top(name) in IMPURE
    ]
    assert wrong == []


def test_the_command_line_is_a_client() -> None:
    """It reaches services through gRPC only; the assessment rules are pure and may be used alone."""
    allowed = ("services.common", "services.gradebook.rules")
    wrong = [
        (path, name)
        for folder in ("cli", "demo")
        for path, names in modules(folder)
        for name in names
        if (top(name) == "services" and not name.startswith(allowed)) or top(name) in {"psycopg", "minio", "pkcs11"}
    ]
    assert wrong == []
