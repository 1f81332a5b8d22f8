# One command each. Everything installs first if needed, and again when the lock or pyproject changes.
VENV   := .venv
PYTHON ?= $(firstword $(foreach v,3.13 3.12 3.11,$(if $(shell python$(v) -c 1 2>/dev/null && echo y),python$(v),)) python3)
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Tests wait for the disk a third of their time: they go to memory where it holds 4 GB.
TEMPORARY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 { print "/dev/shm" }')
export DO_NOT_TRACK := 1

.PHONY: install run test check ui bench format help

help:            ## Say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP)   ## Create .venv from the lock, then the package

$(STAMP): requirements.lock pyproject.toml
	@echo "installing into $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv --clear $(VENV)
	@if command -v uv >/dev/null 2>&1; then \
		uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock; \
		uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
		$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
		$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi
	@touch $@

run: $(STAMP)       ## Simulate a world if there is no data yet, run the whole graph, show recommendations
	@$(BIN)/recs demo

test: $(STAMP)      ## Run the tests
	@folder=$$(mktemp -d "$(or $(TEMPORARY),$${TMPDIR:-/tmp})/recs-tests.XXXXXX"); trap 'rm -rf "$$folder"' EXIT; \
		PYTEST_DEBUG_TEMPROOT=$$folder $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

check: $(STAMP)     ## Everything: format, lint, types, import contracts, SQL style, tests
	@echo "== format";           $(BIN)/ruff format --check .
	@echo "== lint";             $(BIN)/ruff check .
	@echo "== types";            $(BIN)/basedpyright
	@echo "== import contracts"; $(BIN)/lint-imports
	@echo "== sql style";        $(BIN)/sqlfluff lint --processes 2 dbt_like_sql
	@echo "== tests";            $(MAKE) --no-print-directory test

format: $(STAMP)    ## Put code into the house format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

ui: $(STAMP)        ## Open the Dagster UI on 127.0.0.1:3000
	@$(BIN)/recs ui

bench: $(STAMP)     ## Measure speed and memory beside peers and floors
	@$(BIN)/python -m benchmarks.run
