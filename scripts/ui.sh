#!/usr/bin/env bash
# Dagster's webserver and daemon on loopback, on the data folder that the settings name.
# Ctrl-C ends both, and the runs that they started. TRADING_UI_PORT chooses another port.
set -euo pipefail
port=${TRADING_UI_PORT:-3000}
grace=${TRADING_UI_GRACE:-20}  # seconds that runs have to end in when they are told to

home=$(python -m trading_assets.home --port "$port")
export DAGSTER_HOME=$home
# Parts of Dagster that the lock pins and the tests cover are called beta at every start.
export PYTHONWARNINGS=${PYTHONWARNINGS:-ignore:Parameter}

# Each in a process group of its own: code servers and runs are children of these two, and are
# reached only with the whole group. A run that went on alone would have nobody to tell its end.
set -m
dagster-daemon run --workspace workspace.yaml </dev/null &
daemon=$!
dagster-webserver --workspace workspace.yaml --host 127.0.0.1 --port "$port" </dev/null &
web=$!

running() { kill -0 -- -"$daemon" 2>/dev/null || kill -0 -- -"$web" 2>/dev/null; }
tell() { kill "-$1" -- -"$daemon" 2>/dev/null || true; kill "-$1" -- -"$web" 2>/dev/null || true; }
end() {
    # Once more by hand: at once.
    trap 'tell KILL' INT TERM HUP
    tell TERM
    local until=$((SECONDS + grace))
    while running; do
        ((SECONDS < until)) || tell KILL
        sleep 0.1
    done
}
trap end EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

printf '\nDagster: http://127.0.0.1:%s\nIts data: %s\nCtrl-C ends it.\n\n' "$port" "$home"
# Whichever ends first ends the other.
code=0
wait -n "$daemon" "$web" || code=$?
ended="the webserver and the daemon"
if kill -0 "$web" 2>/dev/null; then ended="the daemon"; fi
if kill -0 "$daemon" 2>/dev/null; then ended="the webserver"; fi
printf '\nerror: %s ended by itself with code %s (see above), so all of it ends.\n' \
    "$ended" "$code" >&2
exit 1
