# Everything here sets itself up: Python 3.11 or newer, make and a C compiler are enough.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SOAK ?= 1000000
SLICE ?= 10000
MUTANTS ?= 300

.PHONY: setup demo ui test test-all test-rest test-tools lint format soak mutate bench bench-platform bench-scores bench-live docs clean

setup: $(READY)  ## build .venv with the pinned packages

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

demo: setup  ## the main job on a synthetic market, into .demo/
	PATH="$(CURDIR)/$(BIN):$$PATH" bash scripts/demo.sh

ui: setup  ## Dagster's webserver and daemon on loopback
	PATH="$(CURDIR)/$(BIN):$$PATH" bash scripts/ui.sh

test: setup  ## all tests but the slow ones and those in a browser
	$(BIN)/python -m pytest -n 2 -m "not slow and not browser"

lint: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-all: test test-rest  ## what CI runs: the tests, then lint, demo, browser and a slice of the soak

test-rest: setup test-tools
	$(MAKE) lint
	$(MAKE) demo
	BROWSER_SECONDS=120 SOAK=$(SLICE) $(BIN)/python -m pytest -n 2 --dist loadgroup -m "slow or browser"

test-tools:  ## Debian's Chromium, which only test-all needs
	bash scripts/install-test-tools.sh

soak: setup  ## random sequences against the oracles: make soak SOAK=1000000
	SOAK=$(SOAK) $(BIN)/python -m pytest -n 2 -m "slow and not browser"

mutate: setup  ## mutation score of the rules: make mutate MUTANTS=300
	$(BIN)/python -m tests.mutation --sample $(MUTANTS)

bench: setup  ## against peers, in environments of their own below .benchmarks/
	$(BIN)/python -m benchmarks

bench-platform: setup  ## what Dagster costs on top of the same work
	PYTHONWARNINGS=ignore:Parameter $(BIN)/python -m benchmarks.platform

bench-scores: setup  ## scores and weights on worlds whose truth is known, and their speed
	$(BIN)/python -m benchmarks.scores

bench-live: setup  ## latency, commits, recovery, catch-up and a week of the live engine
	$(BIN)/python -m benchmarks.live

docs: setup  ## pages made from the definitions
	$(BIN)/trading tables --format md > docs/tables.md
	$(BIN)/python -m streaming.monitoring > docs/metrics.md

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## everything that is made, but for .benchmarks/
	rm -rf $(VENV) .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
