#!/usr/bin/env bash
# Creates .venv from requirements.txt, once: a second call with the same lock returns at once.
# PYTHON=/path/to/python3.12 chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

stamp=.venv/.lock-installed
lock=$(cat requirements.txt pyproject.toml | cksum)
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$lock" ]; then exit 0; fi

# Two `make` runs started together must not write into one environment.
if command -v flock >/dev/null; then
    exec 9>.setup.lock
    flock 9
    [ "$(cat "$stamp" 2>/dev/null)" = "$lock" ] && exit 0
fi

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
python=
if [ -n "${PYTHON:-}" ]; then
    fits "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13."
    python=$PYTHON
else
    for candidate in python3 python3.12 python3.13 python3.11; do
        if fits "$candidate"; then python=$candidate; break; fi
    done
    [ -n "$python" ] || fail "needs Python 3.11, 3.12 or 3.13 (found: $(python3 --version 2>&1 || echo none)).
       Install one and run again, or name it: make book PYTHON=/path/to/python3.12"
fi
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python cannot make virtual environments. On Debian or Ubuntu: sudo apt-get install python3-venv"

free=$(df -Pk . | awk 'NR==2 {print $4}')
[ -d .venv ] || [ "$free" -ge 4000000 ] ||
    fail "needs 4 GB of free disk in $PWD, has $((free / 1000000)) GB (TensorFlow alone takes 2)."

echo "setup: creating .venv with $("$python" --version), about 3 minutes"
# An environment that is half made, or of another Python, is started anew.
if [ ! -f "$stamp" ] || ! .venv/bin/python -c '' 2>/dev/null; then rm -rf .venv; "$python" -m venv .venv; fi
rm -f "$stamp"
pip() { .venv/bin/python -m pip -qq --disable-pip-version-check "$@"; }
pip install --require-hashes --requirement requirements.txt ||
    fail "packages could not be installed: see the message above (no network? disk full? 'make clean' starts over)."
pip install --no-deps --no-build-isolation --editable . || fail "course_utils could not be installed from pyproject.toml."
echo "$lock" >"$stamp"
echo "setup: .venv is ready"
