"""``python -m deploy.checks``: everything about the code that needs no server. Runs all, then says
what failed.
"""

import filecmp
import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from . import departments, generate

REPOSITORY = generate.REPOSITORY
_BIN = Path(sys.executable).parent
_MAX_LINES = 400
_MAX_COMMENT = 100
_COMMENTS = {".sh": "#", ".proto": "//", ".typ": "//", ".importlinter": "#"}
_RELEASED = REPOSITORY / "proto" / "released.binpb"


def main() -> int:
    """Run every check; 1 when any failed."""
    checks: tuple[tuple[str, Callable[[], Iterator[str]]], ...] = (
        ("ruff check", lambda: _run("ruff", "check", "--quiet")),
        ("ruff format", lambda: _run("ruff", "format", "--check", "--quiet")),
        ("mypy --strict", lambda: _run("mypy", "--no-error-summary")),
        ("import contracts", lambda: _run("lint-imports", "--no-logo", "--no-cache")),
        ("file lengths", file_lengths),
        ("comment widths", comment_widths),
        ("proto lint", lambda: _run("buf", "lint", "proto")),
        ("proto compatibility", proto_compatibility),
        ("generated stubs", generated_stubs),
        ("pinned requirements", pinned_requirements),
        ("run-time requirements", runtime_requirements),
        ("picture of departments", departments_picture),
        ("paths in documents", document_paths),
    )
    failed = 0
    for name, check in checks:
        began = time.monotonic()
        problems = list(check())
        print(f"{'✗' if problems else '✓'} {name:<22} {time.monotonic() - began:5.1f} s", flush=True)
        for problem in problems:
            print("    " + problem.replace("\n", "\n    "), flush=True)
        failed += bool(problems)
    return 1 if failed else 0


def file_lengths() -> Iterator[str]:
    """No Python file written by hand has more than 400 lines."""
    for folder in ("bench", "cli", "demo", "deploy", "services", "tests"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > _MAX_LINES:
                yield f"{path.relative_to(REPOSITORY)} has {lines} lines; at most {_MAX_LINES}"


def comment_widths() -> Iterator[str]:
    """No comment of a file that ruff does not read is wider than 100 columns."""
    files = [path for folder in ("deploy", "proto", "services") for path in (REPOSITORY / folder).rglob("*")]
    for path in sorted([*files, REPOSITORY / ".importlinter"]):
        mark = _COMMENTS.get(path.suffix or path.name)
        if mark is None:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if len(line) > _MAX_COMMENT and line.lstrip().startswith(mark):
                yield f"{path.relative_to(REPOSITORY)}:{number} has {len(line)} columns; at most {_MAX_COMMENT}"


def proto_compatibility() -> Iterator[str]:
    """No message, field or RPC of the last released contract was changed or removed (buf's rules of
    category FILE).
    """
    if not _RELEASED.exists():
        yield f"{_RELEASED.relative_to(REPOSITORY)} is missing; make it with: buf build proto -o {_RELEASED.name}"
        return
    yield from _run("buf", "breaking", "proto", "--against", str(_RELEASED))


def generated_stubs() -> Iterator[str]:
    """The committed stubs are what today's proto files give."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate.generate(fresh)
        committed = REPOSITORY / "gen"
        names = {p.relative_to(root) for root in (fresh, committed) for p in root.rglob("*_pb2*.py*") if p.is_file()}
        names = {name for name in names if name.suffix in {".py", ".pyi"}}
        for name in sorted(names):
            a, b = fresh / name, committed / name
            if not (a.exists() and b.exists() and filecmp.cmp(a, b, shallow=False)):
                yield f"gen/{name} is not what proto/ gives; run: make gen"


def departments_picture() -> Iterator[str]:
    """The committed picture of gradebook's departments is what its imports give."""
    if not departments.PICTURE.exists() or departments.PICTURE.read_text(encoding="utf-8") != departments.draw():
        yield f"{departments.PICTURE.relative_to(REPOSITORY)} is not what the imports give; run: make pictures"


def document_paths() -> Iterator[str]:
    """README.md and docs/*.md name only files and folders that exist.

    A path in backticks, such as `common/rows.py`, may begin at any folder; a link begins at the
    folder of its document.
    """
    folders = [path for path in REPOSITORY.iterdir() if path.is_dir() and not path.name.startswith(".")]
    existing = {f"/{path.relative_to(REPOSITORY)}" for folder in folders for path in (folder, *folder.rglob("*"))}
    for document in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))):
        text = document.read_text(encoding="utf-8")
        named = re.findall(r"`(\w[\w./-]*(?:/|\.(?:py|md|sql|proto|sh)))`", text)
        missing = [path for path in named if not any(known.endswith(f"/{path.rstrip('/')}") for known in existing)]
        links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
        missing += [link for link in links if not (document.parent / link).exists()]
        yield from (f"{document.relative_to(REPOSITORY)} names {path}, which does not exist" for path in missing)


def pinned_requirements() -> Iterator[str]:
    """Each requirement is pinned with hashes, run.txt is a part of dev.txt, and no package index is
    named.
    """
    folder = REPOSITORY / "requirements"
    pins = {name: _pins((folder / f"{name}.txt").read_text(encoding="utf-8")) for name in ("run", "dev")}
    for name, pinned in pins.items():
        for line in (folder / f"{name}.in").read_text(encoding="utf-8").splitlines():
            wanted = re.match(r"[A-Za-z0-9._-]+", line)
            if wanted and not line.startswith("-") and _plain(wanted[0]) not in pinned:
                yield f"requirements/{name}.in asks for {wanted[0]}, which {name}.txt does not pin"
        text = (folder / f"{name}.txt").read_text(encoding="utf-8")
        if re.search(r"https?://|--(extra-)?index-url|--find-links", text):
            yield f"requirements/{name}.txt names a package index"
    pins["go"] = _pins((folder / "go.txt").read_text(encoding="utf-8"))
    for name, pinned in pins.items():
        yield from (f"requirements/{name}.txt: {package} has no hash" for package, (_, ok) in pinned.items() if not ok)
    for package, (version, _) in pins["run"].items():
        if pins["dev"].get(package, ("", False))[0] != version:
            yield f"{package}: run.txt pins {version}, dev.txt another version"
    for script in sorted((REPOSITORY / "deploy").rglob("*.sh")):
        for line in script.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
            # Our own code (--no-deps) has no hash and brings nothing with it.
            if "pip" in line and " install " in line and not {"--require-hashes", "--no-deps"} & set(line.split()):
                yield f"{script.relative_to(REPOSITORY)}: pip installs without hashes: {line.strip()}"


def runtime_requirements() -> Iterator[str]:
    """run.in asks for nothing that only the development environment imports, such as the test
    CA.
    """
    ours, others = _imported("services", "cli", "demo"), _imported("deploy", "bench", "tests")
    modules = importlib.metadata.packages_distributions()
    for line in (REPOSITORY / "requirements" / "run.in").read_text(encoding="utf-8").splitlines():
        package = _plain(re.split(r"[\[=<>]", line)[0])
        own = {module for module, packages in modules.items() if package in map(_plain, packages)}
        if own & others and not own & ours:
            yield f"requirements/run.in asks for {package}, which only deploy, bench or tests import"


def _imported(*folders: str) -> set[str]:
    texts = (path.read_text(encoding="utf-8") for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))
    return {name for text in texts for name in re.findall(r"^\s*(?:from|import)\s+(\w+)", text, re.MULTILINE)}


def _pins(text: str) -> dict[str, tuple[str, bool]]:
    """Package → version, and whether a hash follows. A pin and its hashes are one logical line."""
    pins = {}
    for line in text.replace("\\\n", " ").splitlines():
        pin = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", line)
        if pin:
            pins[_plain(pin[1])] = (pin[2], "--hash=sha256:" in line)
    return pins


def _plain(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def _run(program: str, *arguments: str) -> Iterator[str]:
    environment = {**os.environ, "BUF_CACHE_DIR": str(REPOSITORY / ".run" / "buf"), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [str(_BIN / program), *arguments],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        yield (done.stdout + done.stderr).strip()


if __name__ == "__main__":
    sys.exit(main())
