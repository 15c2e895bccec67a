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

.PHONY: test
test: env  ## Run every test (installs Redis and Chromium from Debian packages when root and missing)
	@scripts/install-test-servers
	$(RUN) coverage erase
	$(RUN) pytest -n 2 --dist loadfile --cov --cov-report= $(TESTS)
	$(RUN) coverage report --skip-covered --fail-under=85
	$(RUN) coverage report --include='src/imaging_core/*' --fail-under=95

.PHONY: check
check: env  ## Lint, types, architecture
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy src tests examples
	$(RUN) lint-imports

.PHONY: format
format: env  ## Format the code
	$(RUN) ruff check --fix
	$(RUN) ruff format

.PHONY: clean
clean:  ## Remove what was installed and built here; the data stays
	rm -rf .venv .tools build dist *.egg-info src/*.egg-info .coverage*
