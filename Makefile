# Everything a newcomer needs, with nothing installed but Python 3.11 or newer:
#   make demo    the market once, end to end, on this machine
#   make test    the whole test suite on its own Postgres and Redis
# The recipes use relative paths only, so that the checkout may lie in any folder, spaces and depth included.

.DEFAULT_GOAL := help
.PHONY: estimators help demo demo-agent up test lint lint-format lint-rules lint-types lint-imports schema openapi hashes sbom advisories fuzz fuzz-readers bench bench-paper peers-env faults test-long topology forgeries clean
.DELETE_ON_ERROR:

PY := .venv/bin/python
READY := .venv/.cherish-ready
N ?= 40
COUNT ?= 20000
SEED ?= 0
START ?= 0
MINUTES ?= 60
# the revision whose API clients know
AGAINST ?= HEAD

# a PYTHONPATH or PYTHONHOME of the caller's would mix other packages into ours
unexport PYTHONPATH
unexport PYTHONHOME
unexport PYTHONSTARTUP
export PYTHONNOUSERSITE := 1

help:
	@echo 'make demo-agent  three providers who keep their rows, valued by agents and as if uploaded'
	@echo 'make demo     ten providers, one buyer, one valuation: the whole market once'
	@echo 'make up       the whole stack in the foreground; Ctrl-C ends it'
	@echo 'make test     the test suite'
	@echo 'make test-long  tests that wait for timeouts of tens of seconds, or kill hosts, one after the other'
	@echo 'make lint     format, lint, types, imports'
	@echo 'make schema   migrations: up, down, up, complete, safe to run'
	@echo 'make openapi  docs/openapi.json is current and breaks no client'
	@echo 'make hashes   requirements.txt and the image's anew, with hashes of all files, after a change of pins'
	@echo 'make sbom     the bill of materials (CycloneDX) of the image, as cherish.cdx.json'
	@echo 'make advisories  no package is named by the OSV documents in the folder CHERISH_ADVISORIES'
	@echo 'make release  wheels, sources, TypeScript client, bill of materials and openapi.json of HEAD, into dist/'
	@echo 'make clients  clients generated from docs/openapi.json: made, compiled, two drive a job; ARGS=--quick for one'
	@echo 'make fuzz     generated calls of every operation as every role, N=$(N) of each'
	@echo 'make fuzz-readers  damaged files of every format, read in the sandbox: COUNT=20000 of SEED=0, from START=0, for MINUTES=60'
	@echo 'make faults   kill, pause and restart real processes, N=$(N) times; ARGS="--stacks 4 --seed 1"'
	@echo 'make topology a deployment of six hosts over TCP with TLS, pgbouncer and S3, and all faults between them'
	@echo 'make forgeries  forge N=1000 results in twelve ways and verify them'
	@echo 'make bench    the benchmarks, written to docs/benchmarks.md; ARGS=--quick for fewer seeds'
	@echo 'make estimators  how estimators do on stored games; ARGS="--games tuned --seeds 5"'
	@echo 'make bench-paper  the tables at row level, for docs/paper.md; ARGS="--seeds 10" for more seeds'
	@echo 'make peers-env  the environment of pyDVL and shapiq, for the benchmarks beside them'
	@echo 'make clean    remove the virtual environment (not the data in .cherish)'

# Made anew when the pins change, and when the checkout was moved (a virtual environment knows its own path).
$(READY): pyproject.toml constraints.txt requirements.txt
	@sh tools/venv.sh

.PHONY: moved
ifneq ($(wildcard $(READY)),)
ifneq ($(shell cat $(READY)),$(shell pwd))
$(READY): moved
endif
endif

demo: $(READY)
	@$(PY) -m app.cli demo

demo-agent: $(READY)
	@$(PY) -m app.cli demo --agents --home .cherish/demo-agent

up: $(READY)
	@$(PY) -m app.cli up

# two at a time, each with servers of its own; a module's tests stay together
test: $(READY)
	@$(PY) -m pytest -n 2 --dist loadfile

# what waits for timeouts of tens of seconds
test-long: $(READY)
	@$(PY) -m pytest -m long

lint: lint-format lint-rules lint-types lint-imports

lint-format: $(READY)
	$(PY) -m ruff format --check .

lint-rules: $(READY)
	$(PY) -m ruff check .

lint-types: $(READY)
	$(PY) -m mypy

lint-imports: $(READY)
	$(PY) -c 'import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())'

schema: $(READY)
	$(PY) tools/schema.py

openapi: $(READY)
	$(PY) tools/openapi.py --against $(AGAINST)

hashes: $(READY)
	@sh tools/hashes.sh

sbom: $(READY)
	$(PY) tools/bill_of_materials.py > cherish.cdx.json

advisories: $(READY)
	$(PY) tools/advisories.py $(CHERISH_ADVISORIES)

# not part of any other target: it installs generators
.PHONY: clients
clients: $(READY)
	$(PY) tools/clients.py $(ARGS)

# both distributions, the TypeScript client, the bill of materials and the API's document, into dist/
.PHONY: release
release: $(READY)
	$(PY) tools/release.py $(ARGS)

fuzz: $(READY)
	@CHERISH_FUZZ=$(N) $(PY) -m pytest -s tests/app/api/test_api_fuzz.py

fuzz-readers: $(READY)
	@$(PY) -m tests.app.datasets.readers.mutants $(COUNT) $(SEED) $(START) $(MINUTES)

faults: $(READY)
	@$(PY) -m tests.faults.storm $(N) $(ARGS)

# needs nginx, and pgbouncer for the pooler's part
topology: $(READY)
	@CHERISH_TOPOLOGY_WHOLE=1 CHERISH_FAULTS_SEED=$(SEED) $(PY) -m pytest -m 'long or not long' tests/topology $(ARGS)

estimators: $(READY)
	@$(PY) -m benchmarks.estimators $(ARGS)

forgeries: $(READY)
	@$(PY) -m benchmarks.forgeries $(N)

bench: $(READY)
	@$(PY) -m benchmarks $(ARGS)

# Apart from ours, because pyDVL needs an older numpy.
bench-paper: $(READY)
	@$(PY) -m benchmarks.paper $(ARGS)

peers-env:
	@bash benchmarks/peers/make_env.sh

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis cherish.egg-info
