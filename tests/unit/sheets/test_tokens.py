"""Whose token goes with a sheet."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli.profile import Profile
from cli.sheets.gradebook import Teachers
from services.common.config import ConfigError
from services.common.settings import TlsConfig
from services.common.tokens import issue

NOWHERE = Path("nowhere")
PROFILE = Profile("a:1", "a:1", "a:1", "a:1", TlsConfig(NOWHERE, NOWHERE, NOWHERE))
KEY = (
    Ed25519PrivateKey.generate()
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)


def token(person: str) -> str:
    return issue("https://id", KEY, client="vendor/smas", person=person, school="31000705")


def test_a_sheet_goes_as_the_first_of_its_teachers_whose_token_is_there(tmp_path: Path) -> None:
    tokens = {person: token(person) for person in ("gv-1", "gv-2")}
    file = tmp_path / "tokens"
    file.write_text("\n".join(tokens.values()) + "\n\n")
    teachers = Teachers(PROFILE, file)
    assert teachers.token("31000705", ["gv-3", "gv-2", "gv-1"]) == tokens["gv-2"]
    assert teachers.token("31000705", ["gv-3"]) == ""
    assert teachers.token("31000705", []) == ""


@pytest.mark.parametrize("text", ["", "no token\n", "a.b.c\n"])
def test_a_file_without_tokens_is_a_mistake_of_use(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(text)
    with pytest.raises(ConfigError):
        Teachers(PROFILE, file)


def test_without_tokens_nobody_is_played() -> None:
    with pytest.raises(ConfigError):
        Teachers(PROFILE, None)
    with pytest.raises(ConfigError):
        Teachers(PROFILE, NOWHERE)
