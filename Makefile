# Every command a developer needs. Set-up happens by itself, once, in .venv, from the package index that pip is
# configured with. `make help` lists the targets.

VENV := .venv
PEERS := .venv-peers
BIN := $(VENV)/bin
PY := $(BIN)/python
# The first Python that is new enough; override it with `make PYTHON=/path/to/python run`.
PYTHON ?= $(shell for p in python3.11 python3 python3.14 python3.13 python3.12 python; do \
  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)

# protoc finds its mypy plug-in on the path.
export PATH := $(CURDIR)/$(BIN):$(PATH)

PACKAGES := core/hotrow server/hotrow_server ingest/hotrow_ingest clients/python/hotrow_client
INPUTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check stubs bench bench-peers torture clean redis-server

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: $(VENV)/.ready-run  ## Build the demo repository, serve it, make one read and one push; ONCE=1 stops after that
	@$(PY) examples/horse_colic/tour.py $(if $(ONCE),--once)

test: check  ## All that CI runs: `make check`, then every test that is not marked slow
	@$(PY) -m pytest -m "not slow"

check: $(VENV)/.ready-dev  ## The quick part: lint, format, types, layers, and the stubs against the protos
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy
	@for example in $(sort $(dir $(wildcard examples/*/*.py))); do MYPYPATH=$$example $(PY) -m mypy $$example || exit 1; done
	@$(BIN)/lint-imports --no-logo
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && $(PY) scripts/generate_stubs.py "$$scratch" \
	  && diff -r -x __pycache__ -x __init__.py core/hotrow/v1 "$$scratch/hotrow/v1" \
	  || { echo "core/hotrow/v1 is not what protos/ says: run make stubs and commit the result" >&2; exit 1; }

stubs: $(VENV)/.ready-dev  ## Write core/hotrow/v1 anew from protos/
	@$(PY) scripts/generate_stubs.py

bench: $(VENV)/.ready-dev  ## Measure what a request costs, in ten minutes; SECTIONS=rows,memory for the long ones, FOLDER= for another disk
	@$(PY) -m tests.bench $(if $(SECTIONS),--sections $(SECTIONS)) $(if $(FOLDER),--folder $(FOLDER))

bench-peers: $(VENV)/.ready-dev $(PEERS)/.ready | redis-server  ## Measure Feast's Python servers on the same data in the same run
	@$(PY) -m tests.bench.peer_bench --environment $(PEERS)

torture: $(VENV)/.ready-dev  ## The long forms: kills, full disks, fuzz, the consistency checker (an hour, perhaps)
	@$(PY) -m pytest -m slow -s -o timeout=7200

clean:  ## Remove the virtual environment and every cache
	@rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.ready-run: $(INPUTS) | $(PY)
	@echo "installing hotrow into $(VENV)" >&2
	@$(PY) -m pip install -q -c constraints.txt -e '.[server]'
	@echo "compiling the kernels, once: half a minute, or a little more" >&2
	@$(BIN)/hotrow warm >&2
	@touch $@

$(VENV)/.ready-dev: $(INPUTS) | $(PY)
	@echo "installing hotrow and its development tools into $(VENV)" >&2
	@$(PY) -m pip install -q -c constraints.txt -e '.[server,dev,examples]'
	@echo "compiling the kernels, once: half a minute, or a little more" >&2
	@$(BIN)/hotrow warm >&2
	@touch $@ $(VENV)/.ready-run

$(PEERS)/.ready: constraints-peers.txt | $(PY)
	@echo "installing Feast into $(PEERS), an environment of its own" >&2
	@$(PY) -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip install -q -c constraints-peers.txt 'feast[grpcio,redis]'
	@touch $@

# Feast's online store, where the comparison needs it: from the system's packages, and only where root asks for it.
redis-server:
	@command -v redis-server >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	  && echo "installing redis-server from the system's packages" >&2 \
	  && apt-get install -qq -y --no-install-recommends redis-server >/dev/null; } \
	  || { echo "make bench-peers needs redis-server on the path: install it (apt-get install redis-server) and" \
	  "run it again" >&2; exit 1; }

$(PY):
	@test -n "$(PYTHON)" || { echo "hotrow needs Python 3.11 or later, and none was found on the path;" \
	  "install one, or name it: make PYTHON=/path/to/python $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
