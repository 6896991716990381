# `make bench` measures, `make test` tests; `make help` lists the rest.
# Everything happens inside this folder: .venv (tools), .asv (environments and results).

PYTHON ?= python3
BIN := .venv/bin
SOURCES := $(wildcard aetherless_py/*.pyx aetherless_py/*/*.pyx aetherless_py/shm/*.pxd aetherless_py/shm/_c/*) setup.py pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help build runtimes bench study machine publish preview history compare test slow kills load lint clean

N ?= 10
BASE ?= main
CONTENDER ?= HEAD
BENCH ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' Makefile

# The first step of whatever takes its time: what `help` says of it, and how long it takes.
says = @awk -F ':.*\#\# ' '/^$@:/{print "make " $$1 ": " $$2}' Makefile

.venv/installed: requirements-bench.txt requirements-peers.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11")'
	@echo "installing the tools into .venv: one to two minutes"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements-bench.txt
	@$(BIN)/python tools/install_peers.py
	@touch $@

.venv/checkers: .venv/installed requirements-dev.txt
	$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Built in place; the folder is what is imported.
.venv/built: .venv/installed $(SOURCES)
	@echo "building the package in place: half a minute"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable . --config-settings editable_mode=compat
	@touch $@

build: .venv/built ## make .venv, and build the package in place (2 min at first)

runtimes: ## install CRIU, an OCI runtime, Node.js and wrk, as root (5 min)
	$(says)
	bash tools/install_criu.sh
	bash tools/install_runtimes.sh

lint: .venv/built .venv/checkers ## style, types, direction of imports (1 min)
	$(says)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## lint, types, direction of imports, tests (12 min)
	$(says)
	$(BIN)/python -m pytest -m "not slow"

slow: .venv/built .venv/checkers ## tests that take longer: whole runs, loads, kills (4 min)
	$(says)
	$(BIN)/python -m pytest -m slow

kills: .venv/built .venv/checkers ## 500 kills under load, 200 of each strategy (30 min)
	$(says)
	AETHERLESS_KILLS=500 $(BIN)/python -m pytest tests/gateway/test_kills.py
	AETHERLESS_KILLS=200 $(BIN)/python -m pytest tests/start/test_kills.py

load: .venv/built .venv/checkers ## a minute of wrk: no request may be lost (2 min)
	$(says)
	AETHERLESS_LOAD_S=60 $(BIN)/python -m pytest tests/gateway/test_load.py

# Registered once with what asv finds out by itself; never asks, and says nothing of it.
machine: .venv/installed
	@test -f ~/.asv-machine.json && grep -q "\"$$(uname -n)\"" ~/.asv-machine.json || \
	{ said=$$($(BIN)/asv machine --yes 2>&1) || { echo "$$said"; exit 1; }; }

bench: .venv/built ## measure this tree, quickly: table, data/, html/ (2 min)
	$(says)
	@$(BIN)/python -m tools.run_benchmarks --quick --history .asv/quick --publish

study: .venv/built ## measure this tree, everything: table, data/, html/ (1 h)
	$(says)
	@$(BIN)/python -m tools.run_benchmarks --study --history .asv/study --publish

# asv says 2 where a benchmark failed: the others are exported.
history: machine .venv/built ## measure the last commits, N=10 (10 min each)
	$(says)
	@case "$(N)" in "" | 0* | *[!0-9]*) echo "N=$(N): give a number from 1"; exit 2 ;; esac
	$(BIN)/asv run --show-stderr --skip-existing "HEAD -n $(N)" || test $$? -eq 2
	$(BIN)/python -m tools.export --all-history
	$(BIN)/asv publish

# With a store of its own: asv would write over what was measured of the same commits.
compare: machine .venv/built ## compare CONTENDER=HEAD to BASE=main (20 min; BENCH=regex: less)
	$(says)
	@for each in "$(BASE)" "$(CONTENDER)"; do git rev-parse -q --verify "$$each^{commit}" > /dev/null || { \
		echo "there is no commit '$$each'; name two: make compare BASE=... CONTENDER=..."; exit 2; }; done
	@sed 's|"\.asv/results"|".asv/compare"|' asv.conf.json > asv.compare.json
	$(BIN)/asv --config asv.compare.json continuous --record-samples $(if $(BENCH),--bench "$(BENCH)") "$(BASE)" "$(CONTENDER)"

publish: .venv/built ## make html/ anew from what was measured (10 s)
	@$(BIN)/asv publish

preview: .venv/installed ## show html/ at http://127.0.0.1:8080/, until Ctrl-C
	@$(BIN)/asv preview

clean: ## remove what was built and measured here
	rm -rf .venv .asv asv.compare.json build html *.egg-info aetherless_py/*.so aetherless_py/*/*.so
	rm -f $(patsubst %.pyx,%.c,$(wildcard aetherless_py/*.pyx aetherless_py/*/*.pyx))
