# `make bench` measures, `make test` tests; `make help` lists the rest.
# Everything happens inside this folder: .venv (tools), .asv (environments and results).

PYTHON ?= python3
BIN := .venv/bin
SOURCES := $(wildcard aetherless_py/shm/*.pyx aetherless_py/shm/*.pxd aetherless_py/shm/_c/*) setup.py pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help build test lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/installed: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Built in place; the folder is what is imported.
.venv/built: .venv/installed $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

build: .venv/built ## make .venv and build the package in place

lint: .venv/built ## style, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## everything that must hold: lint, types, import direction, tests
	$(BIN)/python -m pytest

clean: ## remove what was built and measured here
	rm -rf .venv .asv build html *.egg-info aetherless_py/shm/*.so
	rm -f $(patsubst %.pyx,%.c,$(wildcard aetherless_py/shm/*.pyx))
