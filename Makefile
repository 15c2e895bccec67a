# The two commands a newcomer needs: `make run` and `make test`. Everything they need they set up here, below .venv
# and .tools; neither needs sudo, though `make test` uses it being root to install Redis and Chromium when missing.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
RUN := $(UV) run --frozen --no-sync
export IMAGING_DATA_DIR ?= $(CURDIR)/data
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv

.PHONY: help
help:  ## Show these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

.tools/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12 ..."; exit 1; }
	@scripts/install-uv "$(PYTHON)" .tools

# Without the development group: what runs the service and nothing else.
.PHONY: run-env
run-env: $(filter .tools/%,$(UV))
	@$(UV) sync --quiet --frozen --inexact --no-dev --python "$(PYTHON)"

.PHONY: env
env: $(filter .tools/%,$(UV))  ## Install everything for development into .venv
	@$(UV) sync --quiet --frozen --python "$(PYTHON)"

.PHONY: run
run: run-env  ## Start the service here: API, GUI and worker in one, data in ./data
	@exec .venv/bin/imaging up

# More at a time than there are processors here: many tests wait for processes. In the order of the folders, so that the
# quick ones come last and nobody waits long for one file.
.PHONY: test
test: env  ## Run the tests, three of those in a browser among them (installs Redis and Chromium from Debian packages when root and missing)
	@scripts/install-test-servers
	$(RUN) coverage erase
	$(RUN) pytest -n 4 --dist loadfile --no-loadscope-reorder --cov --cov-report= -m "not browser or essential" $(TESTS)
	$(RUN) coverage report --skip-covered --fail-under=85
	$(RUN) coverage report --include='src/imaging_core/*' --fail-under=95

.PHONY: test-browser
test-browser: env  ## Run every test that drives a browser, about 4 minutes
	@scripts/install-test-servers
	$(RUN) pytest -n 2 --dist loadfile tests/browser

# Starts the service, makes pictures and looks at every page: light and dark, on a desk and on a phone. Those that the
# documentation shows go to docs/images, all of them to build/screenshots.
.PHONY: screenshots
screenshots: env  ## Take pictures of every page, into build/screenshots and docs/images
	@scripts/install-test-servers
	$(RUN) python tests/browser/screenshots.py build/screenshots docs/images

.PHONY: check
check: env  ## Lint, types, architecture
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy src tests examples benchmarks
	$(RUN) lint-imports

.PHONY: format
format: env  ## Format the code
	$(RUN) ruff check --fix
	$(RUN) ruff format

.PHONY: clean
clean:  ## Remove what was installed and built here; the data stays
	rm -rf .venv .tools build dist *.egg-info src/*.egg-info .coverage*

# Real processes killed, frozen and cut off while jobs flow: each scenario prints one JSON line. `make chaos SEED=7` rolls
# other dice. Redis and faketime come from Debian packages; disk-full needs root, else it says so.
SEED ?= 1
CHAOS := PYTHONPATH=src:tests $(RUN) python -m chaos
CHAOS_SHORT := kill api-kill embedded-kill poison proxy
CHAOS_FULL := kill kill-capped mixed term api-kill embedded-kill poison clock-skew disk-full redis-memory proxy rate outage
CHAOS_LINES := build/chaos-$(SEED).jsonl

.PHONY: hosts-test
hosts-test: env  ## Hosts as network namespaces: a worker's is cut off, a WebUI dies, the bucket is away; needs root and iproute2
	PYTHONPATH=src:tests $(RUN) python -m hosts

.PHONY: chaos-short
chaos-short: env  ## Kill and cut off real processes for about 2 minutes
	@scripts/install-test-servers
	@failed=; for s in $(CHAOS_SHORT); do $(CHAOS) $$s --short --seed $(SEED) || failed="$$failed $$s"; done; test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

.PHONY: chaos
chaos: env  ## The same with the numbers of docs/guarantees.md, about 15 minutes; ends with its table
	@scripts/install-test-servers faketime
	@rm -f $(CHAOS_LINES)
	@for s in $(CHAOS_FULL); do $(CHAOS) $$s --seed $(SEED) --into $(CHAOS_LINES) || true; done
	@$(CHAOS).table $(CHAOS_LINES)
	@for s in $(CHAOS_FULL); do grep -q "\"scenario\": \"$$s\"" $(CHAOS_LINES) || { echo "$$s never ended"; exit 1; }; done

# compose.yaml on the real Docker. Where no image can be pulled, COMPOSE_STAND_INS names a command that is given names like
# python:3.12-slim and makes images of these names; what that leaves open is printed.
.PHONY: compose-test
compose-test: env  ## Bring compose.yaml up and show that it works (needs Docker)
	@scripts/install-test-servers
	PYTHONPATH=src:tests $(RUN) python -m compose_test

# This service, embedded and on Redis, beside the straightforward design and the floors of its parts, in one run. Give it a
# quiet machine. It ends with a table, keeps benchmarks/results.json and brings docs/performance.md and its plots up to
# date. `make bench THEMES="latency submits"` measures only those, into build/.
.PHONY: bench
bench: env  ## Measure speed beside the straightforward design, about 15 minutes
	@scripts/install-test-servers
	@$(UV) sync --quiet --frozen --group bench
	PYTHONPATH=src:tests:. $(RUN) python -m benchmarks $(if $(THEMES),$(THEMES) --json build/bench.json,--json benchmarks/results.json --docs docs)
