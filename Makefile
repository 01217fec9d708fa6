# Every target does its own set-up; nothing is expected of the machine but Python 3.11 or later, pip and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Checks that hold the runtime's libraries down.
TOOLS := .venv-tools
export NIGHTBOOK_HOME ?= .nightbook
# One mark per installed lock. What a change needs is installed over what a run needs: the locks agree on each version.
RUN := $(VENV)/requirements$(if $(filter snowflake,$(NIGHTBOOK_TARGET)),-snowflake).installed
CHANGE := $(VENV)/requirements-dev.installed
CHECK := $(TOOLS)/requirements-tools.installed
COMPILE := $(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links
ACCOUNTS ?= 100000
# What a change is compared with; QUICK=--quick leaves out the training, and with it the gate's figures.
BASE ?= origin/main
QUICK ?=
# Where a production build has left its manifest.
STATE ?= .nightbook-production/target
# A run takes a little more than a core and 1 GB.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup develop demo night week docs test lint format types workflows conventions sql changed impact rehearse benchmark catalog lock clean

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(RUN)  ## what a run needs, as locked, in .venv; with NIGHTBOOK_TARGET=snowflake what an account needs too
develop: $(CHANGE)  ## what tests and checks need besides

.SECONDEXPANSION:
$(RUN) $(CHANGE) $(CHECK): $$(basename $$(@F)).txt
	@$(PYTHON) -c 'import sys; sys.exit("nightbook: Python 3.11 or later is needed, this is " + sys.version.split()[0] + "; say make PYTHON=...") if sys.version_info < (3, 11) else None'
	@echo "Installing the $$(grep -c == $<) packages of $< into $(@D): a few minutes on a new machine" >&2
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

demo: setup  ## land, train, approve and score a synthetic lender
	$(BIN)/python orchestrate.py demo

night: setup  ## score tonight
	$(BIN)/python orchestrate.py score

week: setup  ## train where a rule asks for it
	$(BIN)/python orchestrate.py train --if-needed

docs: setup  ## the documentation site of the home
	$(BIN)/python orchestrate.py docs

# Two workers on two cores: an OpenMP thread that spins takes the other worker's.
test: export GOMP_SPINCOUNT := 0
# Where the caller says so, every process would compile the library again.
test: export PYTHONDONTWRITEBYTECODE :=
test: develop  ## every check: static, dbt unit tests, pytest, whole runs
	@$(MAKE) --no-print-directory --jobs $(WORKERS) --output-sync=target lint
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal --durations 15 tests/python

lint: format types workflows conventions sql  ## every static check

format: develop $(CHECK)  ## those of them that take a second: Python, YAML, what the catalog writes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(TOOLS)/bin/yamllint --strict .
	PYTHONPATH=python_models $(BIN)/python -m nightbook.catalog.schema_yaml --check

types: develop $(CHECK)  ## types of the library and the runner, and that no import leads to an upper floor
	$(TOOLS)/bin/mypy --python-executable $(BIN)/python
	PYTHONPATH=python_models $(TOOLS)/bin/lint-imports --no-logo --no-cache

workflows: $(CHECK)  ## GitHub workflows: syntax, expressions, shell, what an attacker could use
	PATH="$(abspath $(TOOLS)/bin):$$PATH" $(TOOLS)/bin/actionlint
	$(TOOLS)/bin/zizmor --offline --quiet --persona pedantic .github

# dbt-bouncer looks for target/ in the folder that this variable names.
conventions: develop $(CHECK)  ## names, owners and descriptions, over what dbt has parsed
	$(BIN)/dbt parse --quiet
	DBT_PROJECT_DIR="$(abspath $(NIGHTBOOK_HOME))" $(TOOLS)/bin/dbt-bouncer run --only manifest_checks --show-all-failures

# A home of its own: dbt parses into it, and `conventions` may do so at the same time.
sql: export NIGHTBOOK_HOME := $(NIGHTBOOK_HOME)/sql
sql: develop  ## SQL, as dbt compiles it
	@mkdir -p "$(NIGHTBOOK_HOME)"
	$(BIN)/sqlfluff lint models tests/intermediate tests/fairness

changed: setup  ## build what differs from the manifest in STATE=folder, its children, and all that they rest on
	@$(BIN)/dbt parse --quiet
	NIGHTBOOK_OVERRIDE=partial_run NIGHTBOOK_OVERRIDE_REASON='what a pull request changes' $(BIN)/dbt build --defer --state $(STATE) --exclude-resource-type unit_test --select $$(PYTHONPATH=python_models $(BIN)/python -m impact.changed $(STATE))

impact: setup  ## what the files as they are do to scores, against BASE=origin/main
	PYTHONPATH=python_models $(BIN)/python -m impact --base $(BASE) $(QUICK)

rehearse: develop  ## a lender's whole life in a Snowflake account on this machine
	$(BIN)/python -m tests.rehearsal.rehearse

benchmark: develop  ## time nights of ACCOUNTS=N accounts beside the bare computation and other engines
	$(BIN)/python benchmarks/run.py --accounts $(ACCOUNTS)

catalog: setup  ## write the YAML that follows from the feature catalog
	PYTHONPATH=python_models $(BIN)/python -m nightbook.catalog.schema_yaml

# The largest lock is resolved, and the others are parts of it.
lock: develop  ## resolve every lock again
	$(COMPILE) --extra dev --extra snowflake --output-file requirements-dev.txt pyproject.toml
	$(COMPILE) --extra snowflake --constraint requirements-dev.txt --output-file requirements-snowflake.txt pyproject.toml
	$(COMPILE) --constraint requirements-dev.txt --output-file requirements.txt pyproject.toml
	$(COMPILE) --output-file requirements-tools.txt requirements-tools.in

clean:  ## forget the environments
	rm -rf $(VENV) $(TOOLS)
