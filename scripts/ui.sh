#!/usr/bin/env bash
# Dagster's webserver and daemon on loopback, on the data folder that the settings name.
# Ctrl-C ends both. TRADING_UI_PORT chooses another port.
set -euo pipefail
home=$(python -m trading_assets.home)
export DAGSTER_HOME=$home
port=${TRADING_UI_PORT:-3000}

dagster-daemon run --workspace workspace.yaml &
daemon=$!
dagster-webserver --workspace workspace.yaml --host 127.0.0.1 --port "$port" &
web=$!
trap 'kill "$daemon" "$web" 2>/dev/null || true; wait' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

printf '\nDagster: http://127.0.0.1:%s\nIts data: %s\nCtrl-C ends it.\n\n' "$port" "$home"
# Whichever ends first ends the other.
wait -n
