#!/usr/bin/env bash
# The main job from end to end on a market of our own making, each step as a person would
# type it, from the command line and then through Dagster. Everything lands in .demo/, which is
# made anew.
set -euo pipefail
folder=.demo
rm -rf "$folder"
mkdir -p "$folder"

step() {
    printf '\n\033[1m%s\033[0m\n$ %s\n' "$1" "${*:2}"
    "${@:2}"
}

step "A seeded market: 12 symbols, 60 days, with gaps and some broken rows" \
    trading market --out "$folder/market" --seed 1 --symbols 12 --days 60
step "Import it; what breaks the contract is quarantined, nothing else is lost" \
    trading import "$folder"/market/*.csv --lake "$folder/lake"
step "Backtest every strategy, each alone in its account" \
    trading backtest --lake "$folder/lake" --run-id demo --final-unrealized
step "Backtest all of them in one account, competing for its three places" \
    trading backtest --lake "$folder/lake" --run-id demo-shared --account shared --trace
step "Figures and a picture of one of them" \
    trading metrics --lake "$folder/lake" --run demo-shared --by account --plot "$folder/equity.png"
step "The runs in the lake" \
    trading runs --lake "$folder/lake"

export TRADING__DATA__FOLDER="$folder/data" TRADING__HISTORY__START=2024-02-01
export PYTHONWARNINGS=ignore
mkdir -p "$folder/data/inbox"
cp "$folder"/market/*.csv "$folder/data/inbox/"
# A file of the inbox is taken when it has not changed for some seconds.
sleep 6
step "The same through Dagster: prices from the inbox, a partition a day, their contract checked" \
    python -m trading_assets.launch prices --from 2024-02-05 --to 2024-04-04
step "Every strategy's backtest, a partition a month; equity metrics, leaderboard, checks" \
    python -m trading_assets.launch backfill --from 2024-02 --to 2024-04

printf '\nSee it all: TRADING__DATA__FOLDER=%s TRADING__HISTORY__START=2024-02-01 make ui\n' \
    "$folder/data"
printf '\nThe picture: %s\nNext: trading strategies, trading tables, trading --help\n' \
    "$folder/equity.png"
