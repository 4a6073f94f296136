"""The rules of our own test runs: a skip is a failure, and a unit test may not ask for a server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(code)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", os.devnull, "--rootdir", folder, folder],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "code",
    [
        "import pytest\ndef test_a():\n    pytest.skip('no server')\n",
        "import pytest\n@pytest.mark.skip(reason='no server')\ndef test_a():\n    pass\n",
        "import pytest\n@pytest.mark.xfail(reason='known')\ndef test_a():\n    assert False\n",
        "import pytest\npytest.skip('no server', allow_module_level=True)\n",
        "import pytest\npytest.importorskip('no_such_module')\n",
    ],
)
def test_a_skipped_test_is_a_failed_test(tmp_path: Path, code: str) -> None:
    done = run(tmp_path, code)
    assert done.returncode not in {0, 5}, done.stdout
    assert "a skipped test is a failed test" in done.stdout


def test_a_passing_test_passes(tmp_path: Path) -> None:
    assert run(tmp_path, "def test_a():\n    pass\n").returncode == 0
