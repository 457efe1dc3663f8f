#!/usr/bin/env bash
# Creates .venv from requirements.txt, once: a second call with the same lock, in the same folder and
# with the same Python, returns at once. PYTHON=/path/to/python3.12 chooses the interpreter.
# `setup.sh site` leaves out TensorFlow and what needs it, 2 GB: the site is built without.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
can_make() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }
version() { "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null || echo none; }

# Prints the Python that PYTHON names, or else the first that fits; fails if there is none.
find_python() {
    local candidate candidates=(python3 python3.12 python3.13 python3.11)
    [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        if fits "$candidate"; then echo "$candidate"; return; fi
    done
    return 1
}
if [ "${1:-}" = --check ]; then python=$(find_python) && can_make "$python"; exit; fi

stamp=.venv/.lock-installed
partly=.venv/.without-tensorflow
# All that the environment depends on: the lock, where it lies, and the Python that it runs on.
state() { echo "$(cat requirements.txt pyproject.toml | cksum) $PWD $(version .venv/bin/python)"; }
ready() { [ "$(cat "$stamp" 2>/dev/null)" = "$(state)" ] && asked && { [ "${1:-}" = site ] || [ ! -e "$partly" ]; }; }
# Whether the environment is of the Python that PYTHON names, if it names one.
asked() { [ -z "${PYTHON:-}" ] || [ "$(version "$PYTHON")" = "$(version .venv/bin/python)" ]; }

[ -z "${PYTHON:-}" ] || fits "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13."
if ready "$@"; then exit 0; fi

case "$(uname -s)/$(uname -m)" in
Darwin/x86_64)
    fail "TensorFlow has no package for Macs with an Intel processor: open the chapters in Colab (see README.md)." ;;
MINGW* | MSYS* | CYGWIN*)
    fail "on Windows run this inside WSL, the Windows Subsystem for Linux, or open the chapters in Colab (see README.md)." ;;
esac

# Two `make` runs started together must not write into one environment.
if command -v flock >/dev/null; then
    exec 9>.setup.lock
    flock -n 9 || { echo "setup: another make is setting up .venv here; waiting for it"; flock 9; }
    if ready "$@"; then exit 0; fi
fi

python=$(find_python) || fail "needs Python 3.11, 3.12 or 3.13 (found: $(python3 --version 2>&1 || echo none)).
       Install one and run again, or name it: make book PYTHON=/path/to/python3.12"
"$python" -c 'import sysconfig, sys; sys.exit("musl" in (sysconfig.get_config_var("SOABI") or ""))' ||
    fail "TensorFlow has no package for this Linux, which is built on musl (Alpine): use one with glibc, as Debian, or open the chapters in Colab (see README.md)."
can_make "$python" ||
    fail "$python cannot make virtual environments. On Debian or Ubuntu: sudo apt-get install python3-venv"

# An environment that has everything keeps it.
[ "${1:-}" = site ] && { [ ! -d .venv ] || [ -e "$partly" ]; } && part=site || part=all
needed=4 what="about 3 minutes"
[ $part = all ] || { needed=2; what="without TensorFlow, which only the chapters need, about a minute"; }

free=$(df -Pk . | awk 'NR==2 {print $4}')
[ -d .venv ] || [ "$free" -ge ${needed}000000 ] ||
    fail "needs $needed GB of free disk in $PWD, has $((free / 1000000)) GB."

echo "setup: creating .venv with $("$python" --version), $what"
# Only packages may change in an environment that is kept: one that is half made, was moved, or is of
# another Python is started anew.
if [ "$(cut -d' ' -f3- "$stamp" 2>/dev/null)" != "$(state | cut -d' ' -f3-)" ] || ! asked; then
    rm -rf .venv
    "$python" -m venv .venv
fi
rm -f "$stamp"
pip() { .venv/bin/python -m pip -qq --disable-pip-version-check "$@"; }
lock() {
    if [ $part = all ]; then cat requirements.txt; return; fi
    awk '/^[a-z]/ {kept = !/^(tensorflow|keras-hub|libclang)/} kept' requirements.txt
}
lock >.venv/lock.txt
pip install --no-deps --require-hashes --requirement .venv/lock.txt ||
    fail "packages could not be installed: see the message above (no network? disk full? 'make clean' starts over)."
pip install --no-deps --no-build-isolation --editable . || fail "course_utils could not be installed from pyproject.toml."
if [ $part = site ]; then : >"$partly"; else rm -f "$partly"; fi
state >"$stamp"
echo "setup: .venv is ready"
