#!/usr/bin/env bash
# Makes this machine able to run the stack: Debian packages that are missing, and the virtual
# environment .venv/. Run by `make setup`; quick when there is nothing to do. Needs root or sudo
# only when a package is missing. No system service is started, and none that runs already is
# touched.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '%s\n' "$*"; }
fail() { printf '✗ %s\n' "$*" >&2; exit 1; }

# ---- Debian packages -----------------------------------------------------------------------------
# Asked by what they give, not by name: a PostgreSQL 17 from elsewhere is as good as Debian's 15.

has_postgresql() {
    local found
    for found in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$found" ] && [ "$(basename "$(dirname "$(dirname "$found")")")" -ge 15 ] && return 0
    done
    return 1
}
has_softhsm() { compgen -G '/usr/lib/softhsm/libsofthsm2.so' >/dev/null ||
    compgen -G '/usr/lib/*/softhsm/libsofthsm2.so' >/dev/null; }
has_venv() { local python; python=$(newest_python) && "$python" -c 'import ensurepip, venv' 2>/dev/null; }

# The machine's own Python, 3.11 or newer. Not one from pyenv or conda: .venv would die with it.
newest_python() {
    local name
    for name in /usr/bin/python3 /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 python3; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
        then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

missing=()
if ! newest_python >/dev/null && ! command -v python3 >/dev/null; then missing+=(python3 python3-venv)
elif newest_python >/dev/null && ! has_venv; then missing+=(python3-venv); fi
has_postgresql || missing+=(postgresql)
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing+=(rabbitmq-server)
has_softhsm || missing+=(softhsm2)
command -v pdfsig >/dev/null || missing+=(poppler-utils)
command -v qpdf >/dev/null || missing+=(qpdf)
command -v git >/dev/null || missing+=(git)
command -v openssl >/dev/null || missing+=(openssl)
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
command -v setpriv >/dev/null || missing+=(util-linux)

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# invoke-rc.d(8) asks this file before it starts a service; 101 forbids. The machine's own file, if
# any, comes back.
policy=/usr/sbin/policy-rc.d
no_cluster=/etc/postgresql-common/createcluster.d/hoso-setup.conf
restore() {
    as_root rm -f "$no_cluster" "$policy"
    if [ -e "$policy.before-hoso" ]; then as_root mv "$policy.before-hoso" "$policy"; fi
}

install_packages() {
    command -v apt-get >/dev/null ||
        fail "This machine has no apt-get. Install the equivalents of: ${missing[*]}, then run make setup again."
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        fail "Packages are missing and there is no sudo. Ask an administrator to run:
    apt-get install --no-install-recommends ${missing[*]}"
    fi
    say "Installing Debian packages: ${missing[*]}"
    [ "$(id -u)" = 0 ] || as_root true || fail "sudo was refused."
    trap restore EXIT
    [ ! -e "$policy" ] || as_root mv "$policy" "$policy.before-hoso"
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    # Debian's package would also make an empty database cluster that starts with the machine.
    as_root mkdir -p "$(dirname "$no_cluster")"
    printf 'create_main_cluster = false\n' | as_root tee "$no_cluster" >/dev/null
    local log
    log=$(mktemp)
    if ! { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "apt-get failed; its whole output is in $log"
    fi
    rm -f "$log"
    # A broker that we brought in must not start with the machine either.
    if [[ " ${missing[*]} " == *" rabbitmq-server "* ]] && [ -d /run/systemd/system ]; then
        as_root systemctl disable --quiet rabbitmq-server.service epmd.service epmd.socket 2>/dev/null || true
    fi
    restore
    trap - EXIT
}

[ ${#missing[@]} = 0 ] || install_packages
has_postgresql || fail "PostgreSQL 15 or newer is needed and this distribution has an older one. Debian 12, \
Ubuntu 24.04 or newer have it; on older ones add PostgreSQL's own apt repository."
python=$(newest_python) || fail "Python 3.11 or newer is needed; python3 here is $(python3 --version 2>&1). \
Debian 12, Ubuntu 24.04 or newer have it."

# ---- .venv ---------------------------------------------------------------------------------------

stamp=.venv/.hoso-setup
state="$(cat requirements/dev.txt pyproject.toml | sha256sum | cut -d' ' -f1) $PWD"
if [ -x .venv/bin/hoso ] && [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$state" ] && .venv/bin/python -c '' 2>/dev/null
then
    say "Setup is complete: .venv/ and the Debian packages are there."
    exit 0
fi
# A checkout that was moved has a .venv whose scripts point to the old place.
if [ -e .venv ] && ! { [ "$(.venv/bin/python -c 'import sys; print(sys.prefix)' 2>/dev/null)" = "$PWD/.venv" ] &&
    head -n 1 .venv/bin/pip | grep -qF "$PWD/.venv/"; }; then
    say "Removing .venv/, which does not belong to this folder"
    rm -rf .venv
fi
if [ ! -e .venv ]; then
    say "Making .venv/ with $("$python" --version) ($python)"
    "$python" -m venv .venv
fi
pip=(.venv/bin/python -m pip --disable-pip-version-check --no-input)

# On a terminal one changing line names the package at hand: the first time takes a minute or two.
count_packages() {
    local total line number=0
    total=$(grep -c '^[a-z].*==' requirements/dev.txt)
    while read -r line; do
        case $line in
            Collecting*) number=$((number + 1)); printf '\r\033[K  %d/%d %s' "$number" "$total" "${line#Collecting }" ;;
            Installing*) printf '\r\033[K  unpacking and compiling %d packages' "$total" ;;
            ERROR* | WARNING*) printf '\n%s\n' "$line" ;;
        esac
    done
    printf '\r\033[K'
}

say "Installing the Python packages of requirements/dev.txt (one to two minutes the first time)"
if [ -t 1 ]; then
    "${pip[@]}" install --progress-bar off --require-hashes -r requirements/dev.txt 2>&1 | count_packages
else
    "${pip[@]}" install -q --require-hashes -r requirements/dev.txt
fi
"${pip[@]}" install -q --no-deps --no-build-isolation -e .
printf '%s' "$state" >"$stamp"
say "Setup is complete. Next: make demo, or make up; make help lists the rest."
