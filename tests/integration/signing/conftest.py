"""A small school with real tokens (SoftHSM), keys from the key ceremony, and signing's processes as
they really run.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.layout import Stack
from services.common.settings import DatabaseConfig
from services.print.kind import Kind
from services.signing import usecases
from tests import printing, servers
from tests.content import canonical, class_book
from tests.integration.signing.hsm import CUSTODIAN, SCHOOL, Hsm, key_plan, make_hsm
from tests.integration.signing.signing_service import (
    Service,
    Signing,
    acting,
    service_of,
    signatory_of,
    signing_toml,
)
from tests.records import student_register


@pytest.fixture(scope="session")
def hsm(tmp_path_factory: pytest.TempPathFactory) -> Hsm:
    """Everybody who signs the class book or the register, with keys made by the key ceremony."""
    folder = tmp_path_factory.mktemp("hsm")
    people: dict[str, str] = {}
    for entry in class_book()["signatories"] + student_register(1)["signatories"]:
        people.setdefault(entry["signatory"], entry["name"])
    keys = [
        key_plan(folder, person, name, **({"custodian": CUSTODIAN} if person == SCHOOL else {}))
        for person, name in people.items()
    ]
    hsm = make_hsm(folder, keys)
    done = hsm.ceremony()
    assert done.returncode == 0, done.stderr
    return hsm


@pytest.fixture
def token_service(hsm: Hsm, tmp_path: Path, stack: Stack, pki_files: servers.Pki) -> Signing:
    """The token supervisor alone: no database, no broker."""
    socket = tmp_path / "run" / "tokens.sock"
    config = tmp_path / "signing.toml"
    config.write_text(signing_toml(socket, None, None, stack))
    return Signing(tmp_path, config, hsm.environment, socket)


@pytest.fixture(scope="session")
def signing_copy() -> bytes:
    """A class book's signing copy as print makes it."""
    return printing.render(canonical(5, "SEMESTER_1"), Kind.SIGNING).pdf


@pytest.fixture(scope="module")
def service(
    hsm: Hsm,
    tmp_path_factory: pytest.TempPathFactory,
    pki_files: servers.Pki,
    database: Callable[[str], DatabaseConfig],
) -> Iterator[Service]:
    """Signing with a database of its own and everybody registered; its roles are started by the
    tests.
    """
    with service_of(hsm, tmp_path_factory.mktemp("signing"), database("signing"), pki_files) as service:
        with acting("operator/department"):
            for entry in hsm.record["signatories"]:
                usecases.put_signatory(service.database, signatory_of(entry), hsm.roots)
        yield service
