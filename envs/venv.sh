#!/bin/sh
# Make .venv hold what a lock file lists: envs/venv.sh requirements.lock | requirements-dev.lock
#
# Needs Python >= 3.11 and either uv or pip. Does nothing if .venv is as the lock says. The stamp in
# .venv is written last, so that an interrupted installation is done again from the start.
set -eu

cd "$(dirname "$0")/.."
lock=$1
PATH=$(printf '%s' "$PATH" | sed "s#$PWD/.venv/bin:##g") # an activated .venv must not rebuild itself
unset VIRTUAL_ENV
runtime=requirements.lock # requirements-dev.lock holds all of it, in the same versions

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $1"; shift; for line; do say "       $line"; done; exit 1; }

# The stamp: the lock and the folder, because the programs in .venv/bin know their absolute path.
stamp_text() { printf '# %s\n' "$PWD/.venv"; cat "envs/$1"; }
installed() {
    [ -f ".venv/stamp-$1" ] && stamp_text "$1" | cmp -s - ".venv/stamp-$1" \
        && .venv/bin/python -c '' 2>/dev/null
}
write_stamp() {
    stamp_text "$1" > ".venv/stamp-$1.tmp" && mv ".venv/stamp-$1.tmp" ".venv/stamp-$1"
}

python_is() { # python_is COMMAND CONDITION: a candidate may exist and still not run
    "$1" -c "import sys; sys.exit(not ($2))" >/dev/null 2>&1
}
find_python() { # all locked packages have wheels for 3.11 to 3.13; later ones need a C compiler
    for condition in '(3, 11) <= sys.version_info < (3, 14)' 'sys.version_info >= (3, 14)'; do
        for candidate in python3 python3.13 python3.12 python3.11 python3.14; do
            if python_is "$candidate" "$condition"; then
                echo "$candidate"
                return
            fi
        done
        [ -z "$uv" ] || return 0 # uv finds or fetches a better one
    done
}
find_pip() { # the first pip that can install into another environment (--python: pip >= 22.3)
    for candidate in "$python -m pip" "python3 -m pip" pip3 pip; do
        version=$($candidate --version 2>/dev/null | sed -n 's/^pip \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
        set -- $version
        [ $# -eq 2 ] || continue
        if [ "$1" -gt 22 ] || { [ "$1" -eq 22 ] && [ "$2" -ge 3 ]; }; then
            echo "$candidate"
            return
        fi
    done
}

create() { # an empty .venv, and in $pip_install the command that installs into it
    rm -rf .venv
    if [ -n "$uv" ]; then
        uv venv --quiet --python "${python:-3.13}" .venv
    elif [ -n "$pip" ]; then
        "$python" -m venv --without-pip .venv
    elif "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv .venv
    else
        fail "$python has neither pip >= 22.3 nor ensurepip" \
            "install one of: python3-pip or python3-venv (Debian, Ubuntu), pip, uv"
    fi
}
install() {
    if [ -n "$uv" ]; then
        uv pip sync --python .venv/bin/python --require-hashes "envs/$lock"
    else
        if .venv/bin/python -m pip --version >/dev/null 2>&1; then
            set -- .venv/bin/python -m pip
        else
            set -- $pip --python .venv/bin/python
        fi
        # The lock is complete but for what envs/excludes.txt leaves out on purpose.
        "$@" install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes \
            -r "envs/$lock"
    fi
}

# One installation at a time; where the file system cannot lock, go on without.
if command -v flock >/dev/null 2>&1; then
    exec 9< "envs/$lock"
    flock 9 2>/dev/null || true
fi

installed "$lock" && exit 0

uv=$(command -v uv || true)
python=$(find_python)
[ -n "$python$uv" ] || fail "no Python >= 3.11 found" \
    "tried python3, python3.13, python3.12, python3.11, python3.14; or install uv, which brings one"
pip=
[ -n "$uv" ] || pip=$(find_pip)

installed "$runtime" || create
say "installing envs/$lock into .venv ($(.venv/bin/python --version), with ${uv:-${pip:-its own pip}})"
rm -f .venv/stamp-*
install
[ "$lock" = "$runtime" ] || write_stamp "$runtime"
write_stamp "$lock"
