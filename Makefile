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

# Empty where Go is missing or older than the tools below need. Nothing is downloaded to make it newer.
export GOTOOLCHAIN := local
GO := $(shell go version 2>/dev/null | awk '{split(substr($$3, 3), v, "."); if (v[1] > 1 || v[2] >= 26) print "go"}')
GO_BIN := .go-tools
GO_TOOLS := github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3 github.com/bojand/ghz/cmd/ghz@v0.121.0 \
  github.com/grpc-ecosystem/grpc-health-probe@v0.4.62 \
  google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12 google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
HELM := helm.sh/helm/v3/cmd/helm@v3.21.4
NO_MODULES := "passed over, and their tests will be skipped: what Go has to download did not come, see above"
PROTOS := $(wildcard protos/hotrow/v1/*.proto)

PACKAGES := core/hotrow server/hotrow_server ingest/hotrow_ingest clients/python/hotrow_client
INPUTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check java go helm stubs bench bench-peers bench-offline torture clean redis-server jdk

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: $(VENV)/.ready-run  ## Build the demo repository, serve it, make one read and one push; ONCE=1 stops after that
	@$(PY) examples/horse_colic/tour.py $(if $(ONCE),--once)

test: check java go helm | redis-server  ## All that CI runs: `make check`, `make java`, `make go`, `make helm`, then every test that is not marked slow
	@$(PY) -m pytest -m "not slow" --ignore=tests/faults -n 2 --dist loadfile --no-loadscope-reorder
	@$(PY) -m pytest -m "not slow" tests/faults

check: $(VENV)/.ready-dev  ## The quick part: lint, format, types, layers, and the stubs against the protos
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy
	@for example in $(sort $(dir $(wildcard examples/*/*.py))); do MYPYPATH=$$example $(PY) -m mypy $$example || exit 1; done
	@$(BIN)/lint-imports --no-logo
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && $(PY) scripts/generate_stubs.py "$$scratch" \
	  && diff -r -x __pycache__ -x __init__.py core/hotrow/v1 "$$scratch/hotrow/v1" \
	  || { echo "core/hotrow/v1 is not what protos/ says: run make stubs and commit the result" >&2; exit 1; }

java: $(VENV)/.ready-dev | jdk  ## Build the Java client and its example, and run their tests against a real server
	@echo "building the Java client, and testing it against a real server" >&2
	@mvn -B -q -Dstyle.color=never -f clients/java/pom.xml package >&2
	@echo "built" clients/java/client/target/hotrow-client-*[0-9].jar >&2

go: $(VENV)/.ready-dev  ## Build the Go example and the tools that call hotrow in tests; passed over where Go is missing
	@if test -z "$(GO)"; then echo "passed over, and their tests will be skipped: the Go example, grpcurl, ghz and" \
	  "grpc-health-probe need Go 1.26 or later, and `go version 2>/dev/null || echo none` is on the path" >&2; \
	elif $(MAKE) --no-print-directory $(GO_BIN)/.ready; then $(MAKE) --no-print-directory examples/go/rides; \
	else echo $(NO_MODULES) >&2; fi

helm:  ## Build helm, by which the tests render deploy/helm: two to three minutes, once; passed over where Go is missing
	@if test -z "$(GO)"; then echo "passed over, and their tests will be skipped: helm needs Go 1.26 or later, and" \
	  "`go version 2>/dev/null || echo none` is on the path" >&2; \
	else $(MAKE) --no-print-directory $(GO_BIN)/helm || echo $(NO_MODULES) >&2; fi

stubs: $(VENV)/.ready-dev  ## Write core/hotrow/v1 anew from protos/
	@$(PY) scripts/generate_stubs.py

bench: $(VENV)/.ready-dev  ## Measure what a request costs, in ten minutes; SECTIONS=rows,memory for the long ones, FOLDER= for another disk
	@$(PY) -m tests.bench $(if $(SECTIONS),--sections $(SECTIONS)) $(if $(FOLDER),--folder $(FOLDER))

bench-peers: $(VENV)/.ready-dev $(PEERS)/.ready | redis-server  ## Measure Feast's Python servers on the same data in the same run
	@$(PY) -m tests.bench.peer_bench --environment $(PEERS)

bench-offline: $(VENV)/.ready-dev $(PEERS)/.ready | redis-server  ## Measure training sets and materialization beside DuckDB, Polars, Feast, LMDB
	@$(PY) -m tests.bench.offline_bench --environment $(PEERS) $(if $(FOLDER),--folder $(FOLDER))

torture: $(VENV)/.ready-dev  ## The long forms: kills, full disks, fuzz, the consistency checker (an hour, perhaps)
	@$(PY) -m pytest -m slow -s -o timeout=7200

clean:  ## Remove the virtual environment and every cache
	@rm -rf clients/java/*/target examples/go/hotrowv1 examples/go/rides $(GO_BIN)
	@rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.ready-run: $(INPUTS) | $(PY)
	@echo "installing hotrow into $(VENV): two minutes or so" >&2
	@$(PY) scripts/pip_install.py -c constraints.txt -e '.[server]'
	@echo "compiling the kernels, once: half a minute, or a little more" >&2
	@$(BIN)/hotrow warm >&2
	@touch $@

$(VENV)/.ready-dev: $(INPUTS) | $(PY)
	@echo "installing hotrow and its development tools into $(VENV): two minutes or so" >&2
	@$(PY) scripts/pip_install.py -c constraints.txt -e '.[server,dev,examples]'
	@echo "compiling the kernels, once: half a minute, or a little more" >&2
	@$(BIN)/hotrow warm >&2
	@touch $@ $(VENV)/.ready-run

$(PEERS)/.ready: constraints-peers.txt | $(PY)
	@echo "installing Feast, DuckDB and Polars into $(PEERS), an environment of its own" >&2
	@$(PY) -m venv --clear $(PEERS)
	@$(PEERS)/bin/python scripts/pip_install.py -c constraints-peers.txt 'feast[grpcio,redis]' duckdb polars
	@touch $@

$(GO_BIN)/.ready: Makefile
	@echo "installing grpcurl, ghz, grpc-health-probe and protoc's plug-ins for Go into $(GO_BIN)" >&2
	@for tool in $(GO_TOOLS); do GOBIN=$(CURDIR)/$(GO_BIN) go install "$$tool" || exit 1; done
	@touch $@

# Apart from the rest: of its 100 MB of modules nothing else needs any.
$(GO_BIN)/helm: Makefile
	@echo "building helm into $(GO_BIN): two to three minutes" >&2
	@GOBIN=$(CURDIR)/$(GO_BIN) go install $(HELM)
	@touch $@

# Where the generated package lies is said here, for each file and plug-in: the protos name no Go package.
examples/go/rides: $(PROTOS) $(wildcard examples/go/*.go) examples/go/go.sum $(GO_BIN)/.ready
	@PATH="$(CURDIR)/$(GO_BIN):$$PATH" $(PY) -m grpc_tools.protoc -I protos --go_out=examples/go --go-grpc_out=examples/go \
	  $(foreach way,go go-grpc,--$(way)_opt=module=example.com/rides \
	  $(PROTOS:protos/%=--$(way)_opt=M%=example.com/rides/hotrowv1)) $(PROTOS)
	@cd examples/go && go build -buildvcs=false -o rides .

# A JDK and Maven: from the system's packages, where root asks for what is missing.
JDK := maven default-jdk-headless
HAS_JDK := { command -v mvn && command -v javac; } >/dev/null
jdk:
	@$(HAS_JDK) || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && { \
	  echo "installing Maven and a JDK from the system's packages" >&2; apt-get update -qq; \
	  apt-get install -qq -y --no-install-recommends $(JDK); } >/dev/null; }; \
	  $(HAS_JDK) || { echo "the Java client needs Maven (mvn) and a JDK of version 17 or later (javac) on the path:" \
	  "install them (apt-get install $(JDK)) and run it again" >&2; exit 1; }
	@javac -version 2>&1 | awk '{split($$2, v, "."); exit !(v[1] >= 17)}' || { echo "the Java client needs a JDK of" \
	  "version 17 or later, and $$(javac -version 2>&1) is on the path: put a later one first" >&2; exit 1; }

# For the tests of the store on Redis, and for Feast's in the comparison: from the system's packages, and only where root
# asks for it. A valkey-server does as well.
redis-server:
	@command -v redis-server >/dev/null || command -v valkey-server >/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && echo "installing redis-server from the system's packages" >&2 \
	  && apt-get install -qq -y --no-install-recommends redis-server >/dev/null; } \
	  || { echo "this needs redis-server on the path: install it (apt-get install redis-server) and make it again" >&2; \
	  exit 1; }

$(PY):
	@test -n "$(PYTHON)" || { echo "hotrow needs Python 3.11 or later, and none was found on the path;" \
	  "install one, or name it: make PYTHON=/path/to/python $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
