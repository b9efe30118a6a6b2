# Everything runs from here; each target makes .venv and installs what it needs, once.
#
#   make run          the exchange on 127.0.0.1:8000 with a demo market
#   make demo         a whole trading day through the API, with a crash in its middle
#   make test         all tests; ENGINE_COVERAGE=0 turns the coverage gate off, JOBS=n sets workers
#   make lint         ruff, mypy, import contracts, Dockerfile
#   make bench        measurements        make reliability    the trials at full size
#   make clean-data   delete the demo market in .jingtan
#   make clean        remove .venv, caches and build output; never the market's data in .jingtan
#
# PYTHON chooses the interpreter (3.11 or newer); by default the first that fits.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
ENGINE_COVERAGE ?= 100
TEST_ARGS ?=
FIND_PYTHON = for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done
PYTHON ?= $(shell $(FIND_PYTHON))

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run demo test lint format bench reliability clean clean-data

run: $(VENV)/.runtime
	$(BIN)/jingtan run

demo: $(VENV)/.runtime
	$(BIN)/jingtan demo

test: $(VENV)/.development
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal \
		--cov --cov-report=term --cov-fail-under=$(ENGINE_COVERAGE) $(TEST_ARGS)

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

format: $(VENV)/.development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.development
	$(BIN)/python -m benchmarks

reliability: $(VENV)/.development
	$(BIN)/python -m tests.reliability

clean-data: $(VENV)/.runtime
	$(BIN)/jingtan clean-data

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* htmlcov \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.development: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.runtime
