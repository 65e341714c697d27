# `make demo` and `make test` do their whole set-up from a bare clone: CPython 3.11 or newer and pip, nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# A file's tests stay in one process, so that they share its fixtures. WORKERS=0 runs all in one.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: demo test test-all lint bench bench-gpu clean
.DELETE_ON_ERROR:

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e .
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[dev]'
	touch $@ $(VENV)/installed

demo: $(VENV)/installed
	$(BIN)/kinema demo

test: $(VENV)/installed-dev
	$(PYTEST) -m "not slow" $(ARGS)

test-all: $(VENV)/installed-dev lint
	$(PYTEST) $(ARGS)

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench-gpu: $(VENV)/installed-dev
	$(BIN)/python benchmarks/gpu.py --write

bench: $(VENV)/installed-dev
	$(BIN)/python benchmarks/run_all.py

clean:
	rm -rf build dist runs .pytest_cache .ruff_cache .mypy_cache .import_linter_cache src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
