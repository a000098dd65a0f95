# Sourced by the scripts: finds Python and makes the environment in .venv.
# Everything made here lies in .venv/ and .collisions/, and may be deleted at any time. Another place than .collisions/, say
# for a second runtime next to the first: STATE=/some/folder UI_PORT=8081 scripts/demo --ui
# A checkout that cannot be written to: VENV=/some/venv STATE=/some/folder scripts/demo

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${VENV:-$ROOT/.venv}
[[ $VENV == /* ]] || VENV=$PWD/$VENV
STATE=${STATE:-$ROOT/.collisions}
unset PYTHONDONTWRITEBYTECODE # .venv is ours to write to, and without bytecode each start of a stage takes a second longer

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then RED=$'\e[31m' PLAIN=$'\e[0m'; else RED='' PLAIN=''; fi

fail() { # message…: say why and end
  printf '%s%s%s\n' "$RED" "error: $*" "$PLAIN" >&2
  exit 1
}

find_python() { # the Python that PYTHON names; without it, the first that Airflow supports and that can make environments
  local python
  for python in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
      "$python" -c 'import sys; print(sys.executable)'
      return
    fi
    [[ -z ${PYTHON:-} ]] || fail "PYTHON=$PYTHON cannot serve: it must be a Python 3.11 to 3.14 with the modules venv and ensurepip"
  done
  fail "no Python 3.11 to 3.14 with the modules venv and ensurepip found; install one (Debian, Ubuntu: python3 and python3-venv), or name it: PYTHON=/path/to/python3 $0"
}

# Bring .venv to requirements/<name>.txt (ops, airflow or dev), unless it is there already. dev holds all of airflow, and
# airflow all of ops: the largest that was ever asked for serves all three, and no command takes another's packages away.
# What is installed is recorded last: an interrupted set-up is resumed.
make_environment() { # name
  local name=$1
  if [[ $name == ops && -e $VENV/installed-airflow.txt ]]; then name=airflow; fi
  if [[ -e $VENV/installed-dev.txt ]]; then name=dev; fi
  if is_made "$name"; then return; fi
  local writable
  for writable in "$STATE" "$VENV" "${VENV%/*}"; do
    mkdir -p "$writable" 2>/dev/null && [[ -w $writable ]] ||
      fail "cannot write to $writable; name folders that can be written to: VENV=/some/venv STATE=/some/folder $0"
  done
  lock_environment
  if ! is_made "$name"; then # else the set-up that was waited for has made it
    echo "setting up $VENV from requirements/$name.txt, the first time or after a change" >&2
    fill_environment "$name"
  fi
  unlock_environment
}

is_made() { # name: what is installed is what is pinned, and its Python still runs
  cmp -s "$ROOT/requirements/$1.txt" "$VENV/installed-$1.txt" && "$VENV/bin/python" -c '' 2>/dev/null
}

lock_environment() { # a symbolic link to the number of the process: made in one step, on every system
  local owner said=
  until ln -s "$$" "$VENV.lock" 2>/dev/null; do
    owner=$(readlink "$VENV.lock") || continue
    if ! kill -0 "$owner" 2>/dev/null; then
      rm -f "$VENV.lock" # its process was killed
    elif [[ -z $said ]]; then
      said=yes
      echo "another set-up of $VENV is running (process $owner); waiting for it" >&2
    else
      sleep 0.2
    fi
  done
  trap unlock_environment EXIT
}

unlock_environment() {
  rm -f "$VENV.lock"
  trap - EXIT
}

fill_environment() { # name
  local name=$1 log=$STATE/environment.log python uv
  local network="without a network the set-up needs a package index that can be reached: UV_DEFAULT_INDEX=URL"
  if ! "$VENV/bin/python" -c '' 2>/dev/null; then
    python=$(find_python)
    "$python" -m venv --without-pip --clear "$VENV" >"$log" 2>&1 || fail "could not make $VENV; see $log"
  fi
  if ! uv=$(type -P uv) || ! "$uv" --version >/dev/null 2>&1; then
    uv=$STATE/uv/bin/uv # beside .venv: a sync removes from .venv what is not pinned
    if ! "$uv" --version >/dev/null 2>&1; then
      { "$VENV/bin/python" -m ensurepip && "$VENV/bin/python" -m pip install --quiet --upgrade --target "$STATE/uv" uv; } >"$log" 2>&1 ||
        fail "could not install uv: $(tail -n 3 "$log") (whole log: $log; $network, and PIP_INDEX_URL=URL for uv itself)"
    fi
  fi
  : >"$VENV/installed-$name.txt"
  "$uv" pip sync --python "$VENV/bin/python" --require-hashes "$ROOT/requirements/$name.txt" >"$log" 2>&1 ||
    fail "could not install requirements/$name.txt: $(tail -n 3 "$log") (whole log: $log; $network)"
  cp "$ROOT/requirements/$name.txt" "$VENV/installed-$name.txt"
}
