# `make bench` measures, `make test` tests; `make help` lists the rest.
# Everything happens inside this folder: .venv (tools), .asv (environments and results).

PYTHON ?= python3
BIN := .venv/bin
SOURCES := $(wildcard aetherless_py/*.pyx aetherless_py/*/*.pyx aetherless_py/shm/*.pxd aetherless_py/shm/_c/*) setup.py pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help build runtimes bench machine publish history compare test slow kills load lint clean

N ?= 10
BASE ?= main
CONTENDER ?= HEAD

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/installed: requirements-bench.txt requirements-peers.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	$(BIN)/python tools/install_peers.py
	@touch $@

.venv/checkers: .venv/installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Built in place; the folder is what is imported.
.venv/built: .venv/installed $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . --config-settings editable_mode=compat
	@touch $@

build: .venv/built ## make .venv and build the package in place

runtimes: ## install CRIU, an OCI runtime and Node.js for the cold starts, wrk for the load (as root)
	bash tools/install_criu.sh
	bash tools/install_runtimes.sh

lint: .venv/built .venv/checkers ## style, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## everything that must hold: lint, types, import direction, tests
	$(BIN)/python -m pytest -m "not slow"

slow: .venv/built .venv/checkers ## tests that take longer: whole runs, loads, random kills
	$(BIN)/python -m pytest -m slow

kills: .venv/built .venv/checkers ## 500 random kills under load, 200 of each way of starting at any moment
	AETHERLESS_KILLS=500 $(BIN)/python -m pytest tests/gateway/test_kills.py
	AETHERLESS_KILLS=200 $(BIN)/python -m pytest tests/start/test_kills.py

load: .venv/built .venv/checkers ## a minute of wrk against the gateway: nothing may be lost
	AETHERLESS_LOAD_S=60 $(BIN)/python -m pytest tests/gateway/test_load.py

# Registered once with what asv finds out by itself; never asks.
machine: .venv/installed
	@test -f ~/.asv-machine.json && grep -q "\"$$(uname -n)\"" ~/.asv-machine.json || $(BIN)/asv machine --yes

bench: machine ## measure HEAD: the quick pass, its JSON in data/, its history in html/
	quick=$$($(BIN)/python -m tools.quick) && \
	eval "AETHERLESS_QUICK=1 $(BIN)/asv run --record-samples --show-stderr $$quick 'HEAD^!'"
	$(BIN)/python -m tools.export --table --commit $$(git rev-parse HEAD)
	$(BIN)/asv publish
	@echo "JSON: data/   history: $(BIN)/asv preview   more: make help"

# asv says 2 where a benchmark failed: the others are exported.
history: machine ## measure the last N commits in full (N=10)
	$(BIN)/asv run --record-samples --show-stderr --skip-existing HEAD~$(N)..HEAD || test $$? -eq 2
	$(BIN)/python -m tools.export --all-history
	$(BIN)/asv publish

# With a store of its own: asv would write over what was measured of the same commits.
compare: machine ## measure BASE and CONTENDER side by side and compare them (main, HEAD)
	sed 's|"\.asv/results"|".asv/compare"|' asv.conf.json > asv.compare.json
	AETHERLESS_JOURNAL_DIR=$(CURDIR)/.asv/compare/journal $(BIN)/asv --config asv.compare.json continuous --interleave-rounds --record-samples $(BASE) $(CONTENDER)

publish: machine ## make html/ anew from what was measured
	$(BIN)/asv publish

clean: ## remove what was built and measured here
	rm -rf .venv .asv asv.compare.json build html *.egg-info aetherless_py/*.so aetherless_py/*/*.so
	rm -f $(patsubst %.pyx,%.c,$(wildcard aetherless_py/*.pyx aetherless_py/*/*.pyx))
