# Everything a person does here, by one word. `make` alone lists the words.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
ARGS ?=
# The tests on every core, up to four; ARGS="-n 0" for one process.
SPREAD := -n auto --maxprocesses 4 --dist worksteal
# Which torch to fetch, for example TORCH_BACKEND=cpu; empty is what the registry gives.
TORCH_BACKEND ?=

# A folder of wheels that pip was told of serves uv as well.
comma := ,
space := $(subst ,, )
ifneq ($(strip $(PIP_FIND_LINKS)),)
export UV_FIND_LINKS ?= $(subst $(space),$(comma),$(strip $(PIP_FIND_LINKS)))
endif
INSTALL = $(BIN)/python -m uv --version >/dev/null 2>&1 && uv="$(BIN)/python -m uv" || uv=uv; \
	$$uv pip install --quiet --python $(BIN)/python -c constraints.txt \
	$(if $(TORCH_BACKEND),--torch-backend=$(TORCH_BACKEND))

.PHONY: help
help: ## list these words
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | sed -E 's/:.*?## /\t/' | expand -t 14

.PHONY: night
night: .venv/.ready ## run a night of the sample book; ARGS="us_core --as-of 2016-06-30" for another
	@$(BIN)/afterclose night $(ARGS)

.PHONY: tour
tour: .venv/.ready ## walk through ten simulated nights as they can really go
	@$(BIN)/afterclose tour

.PHONY: test
test: .venv/.ready-dev ## pass all tests
	@$(BIN)/python -m pytest $(SPREAD) $(ARGS)

.PHONY: test-fast
test-fast: .venv/.ready-dev ## pass the tests that take no time
	@$(BIN)/python -m pytest $(SPREAD) -m "not slow" $(ARGS)

.PHONY: check
check: .venv/.ready-dev ## lint, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

.PHONY: format
format: .venv/.ready-dev ## put the code in shape
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

.PHONY: up
up: .venv/.ready ## start Prefect, MLflow and a worker on this machine, and deploy the flows
	@$(BIN)/afterclose up $(ARGS)

.PHONY: down
down: .venv/.ready ## stop them, the worker first
	@$(BIN)/afterclose down $(ARGS)

.PHONY: bench
bench: .venv/.ready-dev ## measure what the documents claim
	@for each in benchmarks/*.py; do echo "== $$each"; $(BIN)/python "$$each"; done

.PHONY: constraints
constraints: .venv/.ready-dev ## resolve all dependencies anew into constraints.txt
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet uv
	@PATH="$(BIN):$$PATH" uv pip compile pyproject.toml --group dev --python-version 3.11 \
		--no-annotate --no-header --quiet --upgrade \
		| sed -E 's/^(torch==[0-9.]+)\+[a-z0-9]+$$/\1/' > constraints.new
	@mv constraints.new constraints.txt

.PHONY: clean
clean: ## remove the virtual environment and all caches, never data/
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up: made once, and again when a pin changes -----------------------------------------------

.venv/.made:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; install one." >&2; exit 1; }
	@echo "Setting up .venv (a few minutes on the first time, mostly downloads)"
	@if uv --version >/dev/null 2>&1; then uv venv --quiet --allow-existing --python $(PYTHON) .venv; \
	else $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet uv; fi
	@touch $@

.venv/.ready: .venv/.made pyproject.toml constraints.txt
	@$(INSTALL) -e .
	@touch $@

.venv/.ready-dev: .venv/.ready
	@$(INSTALL) --group dev
	@touch $@
