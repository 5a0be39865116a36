# `make demo` and `make test` need Python 3.11 to 3.14 and make; everything else is installed into .venv.

.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
LOG := $(VENV)/install.log
KAFKA_LOG := $(VENV)/kafka-tests.log
# The Python to use, as in `make test PYTHON=python3.13`. Empty: the first suitable one that is found.
PYTHON :=
ARGS :=
UV := uv==0.13.9

# The tests import a thousand modules in each worker and start the program hundreds of times. Without bytecode, which
# many container images turn off, Python would compile everything each time.
unexport PYTHONDONTWRITEBYTECODE

# Runs a command and shows its output only if it fails.
QUIETLY = quietly() { "$$@" >$(LOG) 2>&1 || { cat $(LOG) >&2; exit 1; }; }; quietly

.PHONY: help demo check quick-tests test tests kafka-tests lint imports types format bench generate schemas docs dashboards pictures lock clean

help: ## list the targets
	@echo "Targets (make demo ARGS=--once passes --once on):"
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' Makefile

demo: $(STAMP) ## show a spike from ticket to escalation, on its own Kafka
	@echo "Running the demo"
	@$(VENV)/bin/spikewatch demo $(ARGS)

UNIT := -m "not kafka and not slow" --hypothesis-profile=dev -n 2 --dist worksteal
COMPUTING := -m "not kafka" --hypothesis-profile=ci -n 2 --dist worksteal
KAFKA_TESTS := $(shell grep -rl 'mark\.kafka' tests --include='test_*.py')
# A worker gets the next file when it is done, so that its fixtures are made once, and so that the tests of crashes do
# not starve each other's workers; tests/conftest.py puts the longest files first.
WAITING := -m kafka --hypothesis-profile=ci -n 4 --dist loadfile --no-loadscope-reorder

# The static checks run one after another beside the tests, on one core at a time.
check: $(STAMP) ## run style and type checks and the quick tests, without Kafka, in under two minutes
	@$(MAKE) --no-print-directory -j2 quick-tests lint imports types

quick-tests: $(STAMP)
	@echo "Running the quick tests, two at a time"
	@$(PY) -m pytest $(UNIT) -q $(ARGS) || test $$? -eq 5

test: $(STAMP) ## run all checks and all tests, including those with a real Kafka
	@$(MAKE) --no-print-directory -j3 kafka-tests tests lint imports types

# These two targets run in parallel, because the tests with Kafka wait more than they compute. The output of the tests
# with Kafka is shown when they are done. Only files with such tests are collected for them, because each of the four
# workers imports every file that it collects.
tests: $(STAMP)
	@echo "Running the tests without Kafka, two at a time"
	@$(PY) -m pytest $(COMPUTING) --durations=10 $(ARGS) || test $$? -eq 5

kafka-tests: $(STAMP)
	@echo "Running the tests with a real Kafka, four at a time"
	@code=0; $(PY) -m pytest $(WAITING) --durations=10 $(or $(ARGS),$(KAFKA_TESTS)) >$(KAFKA_LOG) 2>&1 || code=$$?; \
	cat $(KAFKA_LOG); test $$code -eq 0 -o $$code -eq 5

lint: $(STAMP) ## check style and common mistakes
	@echo "Checking style"
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

imports: $(STAMP) ## check imports against the contracts in pyproject.toml
	@echo "Checking imports"
	@$(VENV)/bin/lint-imports --no-logo >$(LOG) 2>&1 || { cat $(LOG) >&2; exit 1; }

types: $(STAMP) ## check static types
	@echo "Checking types"
	@$(PY) -m mypy

format: $(STAMP) ## format the code
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: $(STAMP) ## run the benchmarks
	@set -e; for file in tests/bench/bench_*.py; do \
	  test -e "$$file" || { echo "There are no benchmarks yet"; break; }; \
	  echo "Running $$file"; $(PY) "$$file"; \
	done

generate: $(STAMP) ## write the JSON Schemas, AsyncAPI, reference pages and example configuration
	@$(PY) -m schemas.tools.export
	@$(PY) -m stream.docsgen

schemas: generate

docs: $(STAMP) ## build the documentation site into build/site; every warning is an error
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

dashboards: $(STAMP) ## regenerate Grafana's dashboards
	@$(PY) -m deploy.grafana

pictures: $(STAMP) ## redraw the pictures of the documents with the system's Chromium
	@$(PY) -m tests.pictures $(ARGS)

lock: $(STAMP) ## resolve all dependencies again and write requirements.lock
	@echo "Installing $(UV)"
	@$(QUIETLY) $(PY) -m pip install --quiet $(UV)
	@echo "Resolving requirements.lock"
	@$(PY) -m uv pip compile --quiet pyproject.toml --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --upgrade \
	  --output-file requirements.lock

clean: ## remove everything that make created
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./.git -prune -o -type d -name __pycache__ -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml
	@set -e; chosen=; \
	for name in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	  if "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
	    >/dev/null 2>&1; then chosen=$$name; break; fi; \
	done; \
	if test -z "$$chosen"; then \
	  echo "No Python 3.11 to 3.14 was found as $(or $(PYTHON),python3 or python3.11 to python3.14): install one, or name it with PYTHON=/path/to/python." >&2; \
	  exit 1; \
	fi; \
	echo "Creating a virtual environment in $(VENV) with $$($$chosen --version)"; \
	rm -rf $(VENV); \
	if ! said=$$("$$chosen" -m venv $(VENV) 2>&1); then \
	  rm -rf $(VENV); \
	  echo "$$said" >&2; \
	  echo "Python cannot create virtual environments: on Debian and Ubuntu install the package python3-venv, then try again." >&2; \
	  exit 1; \
	fi
	@echo "Installing the locked packages (about 1.1 GB on disk; a minute or two)"
	@$(QUIETLY) $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@echo "Installing spikewatch"
	@$(QUIETLY) $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
