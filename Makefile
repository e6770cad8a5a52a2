# make demo | test | test-full | test-bounds | lint | docs | bench | grammar | lock | clean
# PYTHON=python3.12 and VENV=folder may be set.
#
# Everything runs in a virtual environment of its own, made on first use. What is installed is pinned, with hashes, in
# requirements/: demo.txt (what the package needs), dev.txt (with what tests and linters need), all.txt (with the large
# packages, without which some tests are skipped), full.txt (dev.txt with Ray, for the long profiles), docs.txt. torch is
# pinned by its version alone, in torch.txt: where pip is configured with an index that offers CPU builds, it takes one.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Quiet twice: errors alone. What builds a package is pinned too (older releases of pip read the first variable).
PIP    := -m pip --quiet --quiet --disable-pip-version-check
BUILD  := PIP_CONSTRAINT=requirements/build.txt PIP_BUILD_CONSTRAINT=requirements/build.txt
RESULTS := benchmarks/results

.DEFAULT_GOAL := help
.PHONY: help setup setup-demo setup-all demo test test-full test-bounds lowest newest lint docs hooks bench grammar lock clean

help:
	@echo "make demo         set up, answer four kinds of questions about real renderings, end with the report's path"
	@echo "make test         set up, pass the tests; those that need large packages are skipped, and say so"
	@echo "make setup-all    install the large packages too: then make test skips none of them"
	@echo "make test-full    the long profiles too (runs on a Ray cluster of three nodes, which it installs, among them),"
	@echo "                  and the first minutes of a new user, with the wheel alone"
	@echo "make test-bounds  the oldest and the newest packages that pyproject.toml allows"
	@echo "make lint         ruff, mypy and import-linter"
	@echo "make docs         the documentation site, in build/site"
	@echo "make hooks        lint what changed before each commit"
	@echo "make bench        the benchmarks that need no data, in small sizes"
	@echo "make grammar      the parser's tables anew, after a change of grammars/neptune.lark"
	@echo "make lock         pin again what pyproject.toml asks for (UPGRADE=1: the newest of everything)"
	@echo "make clean        remove the virtual environment and caches; run folders stay"

# --- What is installed: one stamp a set ----------------------------------------------------------------

setup-demo: $(VENV)/.demo
setup: $(VENV)/.dev
setup-all: $(VENV)/.all

# A set contains those after it.
$(VENV)/.all $(VENV)/.full: CONTAINS := dev demo
$(VENV)/.dev $(VENV)/.docs: CONTAINS := demo

PINNED := pyproject.toml requirements/torch.txt requirements/build.txt
SETS := $(addprefix $(VENV)/.,demo dev full all docs)

$(SETS): $(VENV)/.%: requirements/%.txt $(PINNED) | $(BIN)/python
	@echo "Installing requirements/$*.txt into $(VENV) (once; a few minutes) …"
	@$(BUILD) $(BIN)/python $(PIP) install --require-hashes --no-deps --requirement $<
	@$(BIN)/python $(PIP) install --constraint requirements/torch.txt torch
	@$(BUILD) $(BIN)/python $(PIP) install --no-deps --editable .
	@touch $(addprefix $(VENV)/.,$(CONTAINS)) $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, and $(PYTHON) is not: try make PYTHON=python3.12 …" >&2; exit 1; }
	@echo "Making $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

# With hashes, from the ranges of pyproject.toml and the release in requirements/torch.in.
lock: build/uv/bin/uv
	@$(PYTHON) requirements/lock.py $< $(if $(UPGRADE),--upgrade)

build/uv/bin/uv:
	@$(PYTHON) -m venv build/uv
	@build/uv/bin/python $(PIP) install 'uv>=0.9'

# --- What is done with it ------------------------------------------------------------------------------

demo: $(VENV)/.demo
	@$(BIN)/python run.py --config configs/demo.json --resume false

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -q -n 2

test-full: $(VENV)/.full
	@NEPTUNE_PROFILE=full $(BIN)/python -m pytest -q -n 2 --run-full
	@PYTHON=$(PYTHON) tests/first_minutes.sh

# The ends of the ranges, each in a virtual environment of its own; what depends on the packages most is run.
BOUNDS_TESTS ?= $(addprefix tests/,algebra house learn perception writer)
test-bounds: lowest newest

lowest: LIMITS := --constraint requirements/lowest.txt
lowest newest:
	@echo "== the $@ packages that pyproject.toml allows"
	@$(PYTHON) -m venv --clear build/$@
	@build/$@/bin/python $(PIP) install $(LIMITS) --editable '.[dev]'
	@build/$@/bin/python $(PIP) check
	@build/$@/bin/python -m pytest -q -n 2 $(BOUNDS_TESTS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: $(VENV)/.docs
	@$(BIN)/mkdocs build --strict --site-dir build/site

hooks: $(VENV)/.dev
	@$(BIN)/pre-commit install

# Those that need no data, in sizes for two CPU cores; all of them, with their data: docs/benchmarks.md
BENCH := "parsing.py --count 500" \
         "throughput.py --output $(RESULTS)/throughput.json" \
         "equality.py --data_dir examples/clevr" \
         "calls.py --count 2 --certificates 1 --data_dir examples/clevr --out $(RESULTS)/calls.json" \
         "execution.py --quick --output $(RESULTS)/execution.json" \
         "small.py --quick --output $(RESULTS)/small.json" \
         "oracle.py --tiny"

bench: $(VENV)/.dev
	@mkdir -p $(RESULTS)
	@set -e; for words in $(BENCH); do echo "== benchmarks/$$words"; $(BIN)/python benchmarks/$$words; done

grammar: $(VENV)/.dev
	@$(BIN)/python -c "from dsl.syntax.tables import write; print(write())"

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
