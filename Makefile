# make demo | test | test-full | lint | bench | clean        (PYTHON=python3.12 and VENV=folder may be set)
#
# Everything runs in a virtual environment of its own, made on first use. torch is pinned exactly in pyproject.toml;
# where pip is configured with an index that offers CPU builds, it takes one.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
RESULTS := benchmarks/results

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-full lint bench clean

help:
	@echo "make demo       set up, answer four kinds of questions about real renderings, end with the report's path"
	@echo "make test       set up, pass the tests"
	@echo "make test-full  the long profiles too"
	@echo "make lint       ruff and mypy"
	@echo "make bench      the benchmarks that need no data, in small sizes"
	@echo "make clean      remove the virtual environment and caches; run folders stay"

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, and $(PYTHON) is not: try make PYTHON=python3.12 …" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV) …"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing into $(VENV) (once; a few minutes) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(STAMP)
	@$(BIN)/python run.py --config configs/demo.json --resume false

test: $(STAMP)
	@$(BIN)/python -m pytest -q -n 2

test-full: $(STAMP)
	@NEPTUNE_PROFILE=full $(BIN)/python -m pytest -q -n 2 --run-full

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# Those that need no data, in sizes for two CPU cores; all of them, with their data: docs/benchmarks.md
BENCH := "parsing.py --count 500" \
         "throughput.py --output $(RESULTS)/throughput.json" \
         "equality.py --data_dir examples/clevr" \
         "calls.py --count 2 --certificates 1 --data_dir examples/clevr --out $(RESULTS)/calls.json" \
         "execution.py --quick --output $(RESULTS)/execution.json" \
         "oracle.py --tiny"

bench: $(STAMP)
	@mkdir -p $(RESULTS)
	@set -e; for words in $(BENCH); do echo "== benchmarks/$$words"; $(BIN)/python benchmarks/$$words; done

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
