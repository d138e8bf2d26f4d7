# Needs python3 (3.11 or newer, with venv) and make. Everything else goes into .venv.

PYTHON ?= python3
VENV   := .venv
STATE  := .state
ARGS   ?=
MAX_LINES := 300

.DEFAULT_GOAL := help
.PHONY: help run test check format bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile
	@echo "ARGS='…' is handed on by run (to tvs serve), test (to pytest) and bench (see --help); PYTHON=… chooses the interpreter."

run: $(VENV)/.run ## start the service; its state directory .state is made when it does not exist yet
	@test -e $(STATE) || $(VENV)/bin/tvs init --state $(STATE)
	@exec $(VENV)/bin/tvs serve --state $(STATE) $(ARGS)

test: $(VENV)/.dev ## run the tests
	$(VENV)/bin/python -m pytest $(ARGS)

check: $(VENV)/.dev ## linter, formatter, types, import contracts and module sizes; changes no file
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	@find tvs certstore ctlcache proto -name '*.py' -exec wc -l {} + | awk '$$2 != "total" && $$1 > $(MAX_LINES) \
	    { print $$2 ": " $$1 " lines; a module has at most $(MAX_LINES), split it by concern"; bad = 1 } END { exit bad }'

format: $(VENV)/.dev ## put the code into the formatter's form
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

bench: $(VENV)/.dev ## measure the service and its references (needs nginx, gcc, libssl-dev; see docs/performance.md)
	$(VENV)/bin/python -m tests.bench $(ARGS)

clean: ## remove .venv and what tools left behind; .state stays
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage coverage.xml
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say what was installed; a changed pyproject.toml makes them old.

$(VENV)/.run: pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/pip
	$(VENV)/bin/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/bin/pip:
	@$(PYTHON) -c 'pass' 2>/dev/null || { echo "There is no '$(PYTHON)' here: install Python 3.11 or newer, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) is too old: Python 3.11 or newer is needed. Name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "This Python has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
