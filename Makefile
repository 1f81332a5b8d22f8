# One command each. Everything installs first if needed, and again when the lock or pyproject changes.
VENV   := .venv
PYTHON ?= $(firstword $(foreach v,3.13 3.12 3.11,$(if $(shell python$(v) -c 1 2>/dev/null && echo y),python$(v),)) python3)
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Tests wait for the disk a third of their time: they go to memory where it holds 4 GB.
TEMPORARY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 { print "/dev/shm" }')
export DO_NOT_TRACK := 1
# Modules and rewritten tests are compiled once, not by each process of each run, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=
# uv is used where it is there; `make install UV=` does without. The lock names everything, so that nothing is resolved:
# pip before 24 refuses hashes where one package asks for the extras of another.
UV     ?= $(shell command -v uv 2>/dev/null)
PIP    := $(if $(UV),$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check)
tests   = folder=$$(mktemp -d "$(or $(TEMPORARY),$${TMPDIR:-/tmp})/recs-tests.XXXXXX"); trap 'rm -rf "$$folder"' EXIT; \
	PYTEST_DEBUG_TEMPROOT=$$folder $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "$(1)"
stop    = { echo "make: $(1)" >&2; exit 1; }

.PHONY: install run test trials check ui serve bench format help

help:            ## Say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP)   ## Create .venv from the lock, then the package

$(STAMP): requirements.lock pyproject.toml
	@echo "installing into $(VENV) with $(PYTHON) and $(if $(UV),uv,pip)"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| $(call stop,Python 3.11 to 3.13 is needed; name one: make install PYTHON=python3.12)
	@$(PYTHON) -m venv --clear $(VENV) \
		|| $(call stop,$(PYTHON) could not make a virtual environment in $(VENV); on Debian it needs python3-venv)
	@$(PIP) --no-deps --require-hashes -r requirements.lock \
		|| $(call stop,the packages of requirements.lock could not be installed; the first error above says why)
	@$(PIP) --no-deps --no-build-isolation -e . \
		|| $(call stop,the packages are there but recs-platform itself could not be installed; see above)
	@$(if $(UV),$(UV) pip check --quiet --python $(BIN)/python,$(BIN)/python -m pip check --quiet) \
		|| $(call stop,the installed packages do not fit together; requirements.lock lacks what is named above)
	@touch $@

run: $(STAMP)       ## Simulate a world if there is no data yet, run the whole graph, show recommendations
	@$(BIN)/recs demo

test: $(STAMP)      ## Run the tests
	@$(call tests,not trial)

trials: $(STAMP)    ## Run the tests that build several homes, or repeat many draws or kills
	@$(call tests,trial)

check: $(STAMP)     ## Everything: format, lint, types, import contracts, SQL style, tests, trials
	@echo "== format";           $(BIN)/ruff format --check .
	@echo "== lint";             $(BIN)/ruff check .
	@echo "== types";            $(BIN)/basedpyright
	@echo "== import contracts"; $(BIN)/lint-imports
	@echo "== sql style";        $(BIN)/sqlfluff lint --processes 2 dbt_like_sql
	@echo "== tests";            $(MAKE) --no-print-directory test
	@echo "== trials";           $(MAKE) --no-print-directory trials

format: $(STAMP)    ## Put code into the house format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

ui: $(STAMP)        ## Open the Dagster UI on 127.0.0.1:3000
	@$(BIN)/recs ui

serve: $(STAMP)    ## Serve recommendations on 127.0.0.1:8080
	@$(BIN)/recs serve

bench: $(STAMP)     ## Measure speed and memory beside peers and floors
	@$(BIN)/python -m benchmarks.run
