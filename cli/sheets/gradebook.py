"""Calls of the sheet commands: exporting sheets, and importing each as its teacher."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import jwt
from hoso.gradebook.v1 import marks_pb2

from cli import profile
from cli.connection import Persons, Services, call
from cli.profile import Profile
from services.common.config import ConfigError

_EXPORT_S, _IMPORT_S = 300.0, 600.0


def vendor() -> tuple[Services, Profile]:
    """The services as the school's vendor, with the profile's certificate. Raises ConfigError."""
    configured = profile.load()
    if configured.vendor_tls is None:
        raise ConfigError("this command acts through the school's software: the profile needs vendor_tls")
    return Services(configured, configured.vendor_tls), configured


def export(services: Services, request: marks_pb2.ExportMarksRequest) -> list[marks_pb2.ExportMarksResponse]:
    """Every sheet that the gradebook has for the request."""

    def read(
        request: marks_pb2.ExportMarksRequest, timeout: float, metadata: tuple[tuple[str, str], ...]
    ) -> list[marks_pb2.ExportMarksResponse]:
        return list(services.marks.ExportMarks(request, timeout=timeout, metadata=metadata))

    return call(read, request, patient=True, deadline_s=_EXPORT_S)


def send(
    services: Services, sheets: Sequence[marks_pb2.ImportMarksRequest], sent: Callable[[int], None]
) -> list[marks_pb2.ImportedSheet]:
    """Import the sheets in one stream; after a broken connection the whole stream is sent again.

    sent: called with the number of sheets that have gone out, to move a progress bar.
    """

    def stream() -> Iterator[marks_pb2.ImportMarksRequest]:
        for number, sheet in enumerate(sheets):
            sent(number)
            yield sheet
        sent(len(sheets))

    def write(
        request: Sequence[marks_pb2.ImportMarksRequest], timeout: float, metadata: tuple[tuple[str, str], ...]
    ) -> list[marks_pb2.ImportedSheet]:
        del request
        return list(services.marks.ImportMarks(stream(), timeout=timeout, metadata=metadata).sheets)

    return call(write, sheets, patient=True, deadline_s=_IMPORT_S)


class Teachers:
    """Tokens of the teachers who enter the sheets: from a file, or by the profile's issuer."""

    def __init__(self, configured: Profile, token_file: Path | None) -> None:
        self._profile = configured
        self._tokens: Mapping[str, str] | None = None if token_file is None else _read(token_file)
        if token_file is None and configured.issuer_key_file is None:
            raise ConfigError("name the teachers' tokens with --token-file")
        self._persons: dict[str, Persons] = {}

    def token(self, school: str, teachers: Sequence[str]) -> str:
        """The token of the first teacher of a sheet, in signing order, who has one; empty if none
        has.
        """
        if self._tokens is not None:
            return next((self._tokens[person] for person in teachers if person in self._tokens), "")
        if school not in self._persons:
            self._persons[school] = Persons(self._profile, school)
        return self._persons[school].token(teachers[0]) if teachers else ""


def _read(path: Path) -> dict[str, str]:
    """Person id → token, from a file with one token per line. Only the service verifies them."""
    try:
        lines = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"token file {path}: {e}") from e
    tokens: dict[str, str] = {}
    for line in lines:
        try:
            tokens[str(jwt.decode(line, options={"verify_signature": False})["sub"])] = line
        except (jwt.PyJWTError, KeyError) as e:
            raise ConfigError(f"token file {path}: a line is no token of a person") from e
    if not tokens:
        raise ConfigError(f"token file {path} is empty")
    return tokens
