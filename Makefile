# Everything sets itself up: `make run` and `make test` need Python 3.11+, pip and make, no more.
#   make run    start server and lab      make test    all tests (absent peers are skipped)
#   make venv   build .venv               make check   lint, format, types, import contracts
#   make bench  measure against peers     make lock    pin dependencies anew, with hashes
#   make story  walk a model product down its whole road, told as it goes
# ARGS is handed on: `make run ARGS="--data /var/lib/twinhelm"`, `make test ARGS="tests/core -x"`.
# Two processes share the tests; `make test WORKERS=0` runs them in one, as --pdb wants it.

SHELL := /bin/sh
BIN := .venv/bin
ARGS ?=
WORKERS ?= 2
# A directory outside the tree, so that the lock's tool never enters the environment it pins.
LOCK_TOOL := .cache/lock

# The first interpreter that is new enough; PYTHON=... overrides the search.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; \
	done)
# Some systems ship Python without ensurepip: then the outer pip installs into the environment.
PIP = $$(test -x $(BIN)/pip && echo $(BIN)/python -m pip || echo $(PYTHON) -m pip --python $(BIN)/python)

.PHONY: venv run story test check format bench lock docs clean

venv: .venv/.dev .venv/.kernels

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; set PYTHON=/path/to/it" >&2; exit 1; }
	@$(PYTHON) -m venv .venv 2>/dev/null || $(PYTHON) -m venv --clear --without-pip .venv

# The server's own packages, and the package itself, editable.
.venv/.run: requirements.txt pyproject.toml | $(BIN)/python
	@$(PIP) install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(PIP) install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# What would else be compiled at the first start.
.venv/.kernels: .venv/.run
	@$(BIN)/python -c "from twinhelm.app import compile_kernels; compile_kernels()"
	@touch $@

# What tests and checks need beside them.
.venv/.dev: requirements-dev.txt .venv/.run
	@$(PIP) install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

run: .venv/.kernels
	@exec $(BIN)/twinhelm up --lab $(ARGS)

test: .venv/.dev .venv/.kernels
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

story: .venv/.dev .venv/.kernels
	@$(BIN)/python -m pytest -s tests/e2e/test_models_story.py $(ARGS)

check: .venv/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: .venv/.dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .venv/.dev .venv/.kernels
	@$(BIN)/python -m benchmarks $(ARGS)

docs: .venv/.dev
	@$(BIN)/python docs/generate.py

# Hashes of every published file of each pinned version, so that one lock serves every platform;
# no index lines, so that it installs from whichever index the reader's pip is set to.
lock: | $(BIN)/python
	@$(PYTHON) -m venv $(LOCK_TOOL)
	@$(LOCK_TOOL)/bin/pip install --quiet --disable-pip-version-check uv
	@set -e; compile="$(LOCK_TOOL)/bin/uv pip compile --quiet --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-annotate --no-header $(ARGS)"; \
		$$compile pyproject.toml --group build --output-file requirements.txt; \
		$$compile pyproject.toml --group build --group dev --constraint requirements.txt \
		--output-file requirements-dev.txt; \
		$$compile --group serving --constraint requirements.txt \
		--output-file requirements-serving.txt
	@! grep -nE '://|^-' requirements*.txt || { echo "the lock names an index" >&2; exit 1; }

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build
