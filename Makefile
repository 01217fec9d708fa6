# Every target does its own set-up; nothing is expected of the machine but Python 3.11 or later, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export NIGHTBOOK_HOME ?= .nightbook
ACCOUNTS ?= 100000
# A run takes a little more than a core and 1 GB.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint rehearse benchmark catalog lock clean

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(STAMP)  ## the environment in .venv, as locked
$(STAMP): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("nightbook: Python 3.11 or later is needed, this is " + sys.version.split()[0] + "; say make PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

demo: setup  ## land, train, approve and score a synthetic lender
	$(BIN)/python orchestrate.py demo

# Two workers on two cores: an OpenMP thread that spins takes the other worker's.
test: export GOMP_SPINCOUNT := 0
test: setup lint  ## every check: static, dbt unit tests, pytest, whole runs
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal --durations 15 tests/python

lint: setup  ## every static check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=python_models $(BIN)/python -m nightbook.catalog --check
	$(BIN)/sqlfluff lint models tests/intermediate

rehearse: setup  ## a lender's whole life in a Snowflake account on this machine
	$(BIN)/python -m tests.rehearsal.rehearse

benchmark: setup  ## time nights of ACCOUNTS=N accounts beside the bare computation and other engines
	$(BIN)/python benchmarks/run.py --accounts $(ACCOUNTS)

catalog: setup  ## write the YAML that follows from the feature catalog
	PYTHONPATH=python_models $(BIN)/python -m nightbook.catalog

lock: setup  ## resolve requirements.txt anew from pyproject.toml
	$(BIN)/pip-compile --quiet --extra dev --extra snowflake --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file requirements.txt pyproject.toml

clean:  ## forget the environment
	rm -rf $(VENV)
