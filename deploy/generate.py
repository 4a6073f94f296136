"""``python -m deploy.generate <folder>``: Python stubs with type hints for every file under
``proto/``.

The same tools, pinned in requirements/dev.txt, give the same bytes; `make check` compares.
"""

import shutil
import sys
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

REPOSITORY = Path(__file__).resolve().parents[1]
PROTO = REPOSITORY / "proto"


def generate(folder: Path) -> None:
    """Write the stubs of all proto files below ``folder/hoso``, replacing what is there. Raises
    RuntimeError.
    """
    shutil.rmtree(folder / "hoso", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    plugins = Path(sys.executable).parent
    outputs = {"python": "", "grpc_python": "", "mypy": "quiet:", "mypy_grpc": "quiet:"}
    arguments = [
        "protoc",
        f"--proto_path={PROTO}",
        f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
        f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
        *(f"--{name}_out={options}{folder}" for name, options in outputs.items()),
        *(str(path) for path in sorted(PROTO.rglob("*.proto"))),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc failed; its message is above")


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
