# Sourced by the scripts that deal with the cluster, after env.sh: names, addresses, port-forwards.

CLUSTER=collisions
NODE=$CLUSTER-control-plane
CONTEXT=kind-$CLUSTER
STATE_CLUSTER=$STATE/cluster # pids, logs and ports; no secrets
STAGES_IMAGE=collisions-stages
AIRFLOW_IMAGE=collisions-airflow

k() { kubectl --context "$CONTEXT" "$@"; }

# The ports on 127.0.0.1: as given by the environment, else as the last scripts/up took them, else these.
read_ports() {
  local given_ui=${UI_PORT:-} given_s3=${MINIO_PORT:-} given_console=${MINIO_CONSOLE_PORT:-}
  # shellcheck source=/dev/null
  if [[ -f $STATE_CLUSTER/ports ]]; then source "$STATE_CLUSTER/ports"; fi
  UI_PORT=${given_ui:-${UI_PORT:-8080}}
  MINIO_PORT=${given_s3:-${MINIO_PORT:-9000}}
  MINIO_CONSOLE_PORT=${given_console:-${MINIO_CONSOLE_PORT:-9001}}
}

cluster_exists() { kind get clusters 2>/dev/null | grep -qx "$CLUSTER"; }

require_cluster() {
  cluster_exists || fail "there is no cluster; scripts/up makes it"
  [[ $(k get --raw /readyz 2>/dev/null) == ok ]] || fail "the cluster does not answer; scripts/up starts it again"
}

secret() { # namespace name key: its value
  k --namespace "$1" get secret "$2" --output "go-template={{index .data \"$3\" | base64decode}}"
}

# The lake as this machine reaches it: through the port-forward, as the stages' own user.
use_cluster_lake() {
  read_ports
  require_cluster
  forwarding || start_forwards
  wait_for_port "$MINIO_PORT" || fail "MinIO does not answer on 127.0.0.1:$MINIO_PORT; see $STATE_CLUSTER/forward.log"
  COLLISIONS_LAKE=$(k --namespace collisions get configmap stage-settings --output 'jsonpath={.data.COLLISIONS_LAKE}')
  COLLISIONS_S3_ENDPOINT=127.0.0.1:$MINIO_PORT
  COLLISIONS_S3_SECURE=false
  COLLISIONS_S3_ACCESS_KEY=$(secret collisions stage-store COLLISIONS_S3_ACCESS_KEY)
  COLLISIONS_S3_SECRET_KEY=$(secret collisions stage-store COLLISIONS_S3_SECRET_KEY)
  export COLLISIONS_LAKE COLLISIONS_S3_ENDPOINT COLLISIONS_S3_SECURE COLLISIONS_S3_ACCESS_KEY COLLISIONS_S3_SECRET_KEY
}

# --- port-forwards -------------------------------------------------------------------------------
# kubectl's port-forward ends with the pod behind it; a process in the background starts it anew until scripts/down.

keeper() { # the process that keeps them, if it is there: a number of the last start may be another's by now
  local pid
  pid=$(cat "$STATE_CLUSTER/forward.pid" 2>/dev/null) && ps -ww -o command= -p "$pid" | grep -q keep-forwards && echo "$pid"
}

forwarding() { keeper >/dev/null && cmp -s "$STATE_CLUSTER/ports" <(print_ports); } # are they kept, on these ports?

print_ports() { printf '%s\n' "UI_PORT=$UI_PORT" "MINIO_PORT=$MINIO_PORT" "MINIO_CONSOLE_PORT=$MINIO_CONSOLE_PORT"; }

start_forwards() {
  stop_forwards
  mkdir -p "$STATE_CLUSTER"
  print_ports >"$STATE_CLUSTER/ports"
  set -m # a process group of its own, which one signal ends
  # A shell of its own: a mere subshell would hold open what the caller's redirections have saved, and so its pipes.
  STATE=$STATE UI_PORT=$UI_PORT MINIO_PORT=$MINIO_PORT MINIO_CONSOLE_PORT=$MINIO_CONSOLE_PORT \
    bash -c 'source "$1/scripts/env.sh" && source "$1/scripts/cluster.sh" && keep_forwards' keep-forwards "$ROOT" \
    </dev/null >"$STATE_CLUSTER/forward.log" 2>&1 &
  echo $! >"$STATE_CLUSTER/forward.pid"
  set +m
}

keep_forwards() {
  trap '' HUP # outlives the terminal
  keep_forward airflow airflow-api-server "$UI_PORT:8080" &
  keep_forward collisions minio "$MINIO_PORT:9000" "$MINIO_CONSOLE_PORT:9001" &
  wait
}

keep_forward() { # namespace service port…
  local namespace=$1 service=$2
  shift 2
  while docker inspect "$NODE" >/dev/null 2>&1; do # the cluster is there, if perhaps stopped
    k --namespace "$namespace" port-forward --address 127.0.0.1 "service/$service" "$@" || true
    sleep 1 # the pod behind it is gone; the next one takes a moment
  done
}

stop_forwards() {
  local pid
  if pid=$(keeper); then kill -- "-$pid" 2>/dev/null || true; fi
  rm -f "$STATE_CLUSTER/forward.pid"
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

wait_for_port() { # up to half a minute
  local deadline=$((SECONDS + 30))
  until port_open "$1"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}
