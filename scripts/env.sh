# Sourced by the scripts: the environment in .venv and the embedded runtime (Airflow on SQLite, a lake in a folder).
# Everything made here lies in .venv/ and .collisions/, and may be deleted at any time. Another place than .collisions/, say
# for a second runtime beside the first: STATE=/some/folder UI_PORT=8081 scripts/demo --ui

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv
STATE=${STATE:-$ROOT/.collisions}
unset PYTHONDONTWRITEBYTECODE # .venv is ours to write to, and without bytecode each start of a stage takes a second longer

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then BOLD=$'\e[1m' RED=$'\e[31m' PLAIN=$'\e[0m'; else BOLD='' RED='' PLAIN=''; fi

fail() { # message…: say why and end
  printf '%s%s%s\n' "$RED" "error: $*" "$PLAIN" >&2
  exit 1
}

no_name_twice() { # file…
  local twice
  twice=$(for file in "$@"; do basename "$file"; done | sort | uniq -d)
  [[ -z $twice ]] || fail "two files of the same name would land as one: $twice"
}

find_python() { # the first Python that Airflow supports and that can make environments
  local python
  for python in "${PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11; do
    if "$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
      "$python" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  fail "no Python 3.11 to 3.14 with the modules venv and ensurepip found; install one (Debian, Ubuntu: python3 and python3-venv), or name it: PYTHON=/path/to/python3 $0"
}

the_dataset() { # the name of the dataset that files are taken for unless one says which: the only one there is
  local folders=("$ROOT"/stages/datasets/*/__init__.py)
  [[ ${#folders[@]} == 1 ]] || fail "there are several datasets; say which: --dataset NAME"
  basename "$(dirname "${folders[0]}")"
}

# Bring .venv to requirements/<name>.txt (ops, airflow or dev), unless it is there already. dev holds all of airflow, and
# airflow all of ops: the largest that was ever asked for serves all three, and no command takes another's packages away.
# What is installed is recorded last: an interrupted set-up is taken up again.
make_environment() { # name
  local name=$1 log=$STATE/environment.log python uv
  if [[ $name == ops && -e $VENV/installed-airflow.txt ]]; then name=airflow; fi
  if [[ -e $VENV/installed-dev.txt ]]; then name=dev; fi
  if cmp -s "$ROOT/requirements/$name.txt" "$VENV/installed-$name.txt"; then return; fi
  mkdir -p "$STATE"
  if ! "$VENV/bin/python" -c '' 2>/dev/null; then
    python=$(find_python)
    "$python" -m venv --without-pip --clear "$VENV" >"$log" 2>&1 || fail "could not make $VENV; see $log"
  fi
  if ! uv=$(type -P uv) || ! "$uv" --version >/dev/null 2>&1; then
    uv=$STATE/uv/bin/uv # beside .venv: a sync removes from .venv what is not pinned
    if ! "$uv" --version >/dev/null 2>&1; then
      { "$VENV/bin/python" -m ensurepip && "$VENV/bin/python" -m pip install --quiet --upgrade --target "$STATE/uv" uv; } >"$log" 2>&1 ||
        fail "could not install uv: $(tail -n 3 "$log")"
    fi
  fi
  : >"$VENV/installed-$name.txt"
  "$uv" pip sync --python "$VENV/bin/python" --require-hashes "$ROOT/requirements/$name.txt" >"$log" 2>&1 ||
    fail "could not install requirements/$name.txt: $(tail -n 3 "$log") (whole log: $log)"
  cp "$ROOT/requirements/$name.txt" "$VENV/installed-$name.txt"
}

# The embedded runtime's settings. Whatever the caller's shell knows of another Airflow is forgotten.
embedded_runtime() {
  local name port=${UI_PORT:-8080}
  [[ $port =~ ^[0-9]+$ ]] || fail "UI_PORT is '$port': set it to a port's number"
  for name in $(compgen -e | grep '^AIRFLOW_' || true); do unset "$name"; done
  export PATH=$VENV/bin:$PATH
  export AIRFLOW_HOME=$STATE/airflow
  export AIRFLOW__CORE__DAGS_FOLDER=$ROOT/dags
  export AIRFLOW__CORE__LOAD_EXAMPLES=False
  export AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION=False # a backfill of a paused DAG waits for ever
  export AIRFLOW__CORE__EXECUTOR=LocalExecutor
  export AIRFLOW__CORE__PARALLELISM=2 # SQLite has one writer
  export AIRFLOW__CORE__EXECUTION_API_SERVER_URL=http://127.0.0.1:$port/execution/
  export AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT=60 # a busy machine's first request can take longer than the usual 5 s
  export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=sqlite:///$AIRFLOW_HOME/airflow.db
  export AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS=False
  export AIRFLOW__API__HOST=127.0.0.1
  export AIRFLOW__API__PORT=$port
  export AIRFLOW__API__WORKERS=1
  export AIRFLOW__API__BASE_URL=http://127.0.0.1:$port
  export COLLISIONS_RUNTIME=local
  export COLLISIONS_LAKE=${COLLISIONS_LAKE:-$STATE/lake}
  mkdir -p "$STATE"
  mkdir -p -m 700 "$AIRFLOW_HOME" # keys and the UI's password lie here
}

# Create or migrate Airflow's metadata database, once for each version of Airflow.
migrate_metadata() {
  local version stamp=$AIRFLOW_HOME/migrated
  version=$(grep -m1 -o '^apache-airflow==[^ ]*' "$ROOT/requirements/airflow.txt")
  if [[ -f $AIRFLOW_HOME/airflow.db && $(cat "$stamp" 2>/dev/null) == "$version" ]]; then return; fi
  if [[ ! -f $stamp ]]; then rm -f "$AIRFLOW_HOME"/airflow.db*; fi # its making was interrupted
  airflow db migrate >"$AIRFLOW_HOME/migrate.log" 2>&1 || fail "airflow db migrate failed; see $AIRFLOW_HOME/migrate.log"
  echo "$version" >"$stamp"
}
