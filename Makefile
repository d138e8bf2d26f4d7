# Needs python3 (3.11 or newer, with venv) and make. Everything else goes into .venv.

PYTHON ?= python3
VENV   := .venv
LOCKS  := deploy/requirements
STATE  := .state
ARGS   ?=
MAX_LINES := 300

.DEFAULT_GOAL := help
.PHONY: help run cluster cluster-down test check format bench fuzz scan soak history sequences rollovers cluster-trial release deb image lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile
	@echo "ARGS='…' is handed on by run (to tvs serve), cluster, cluster-down, test (to pytest), bench, fuzz, scan, soak, history, sequences, rollovers, cluster-trial, release, deb, image and lock (see --help); PYTHON=… chooses the interpreter."

run: $(VENV)/.run ## start the service; its state directory .state is made when it does not exist yet
	@test -e $(STATE) || $(VENV)/bin/tvs init --state $(STATE)
	@exec $(VENV)/bin/tvs serve --state $(STATE) $(ARGS)

cluster: $(VENV)/.cluster ## start three nodes, PostgreSQL and phones on this machine, to try a cluster (see docs/cluster.md)
	@$(VENV)/bin/python -m deploy.cluster up $(ARGS)

cluster-down: ## stop them (ARGS=--remove deletes their folder .cluster too)
	@$(PYTHON) -m deploy.cluster down $(ARGS)

test: $(VENV)/.dev ## run the tests
	@PYTHONDONTWRITEBYTECODE= $(VENV)/bin/python -m compileall -q certstore ctlcache proto tvs tests # they start thousands of commands
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

scan: $(VENV)/.dev $(VENV)-scan/.ready ## look at the TLS profiles with sslyze and testssl.sh (see ARGS=--help)
	$(VENV)/bin/python -m tests.whole.outside.scan $(ARGS)

fuzz: $(VENV)/.fuzz ## feed made-up bytes to the parsers, ten minutes for each (see docs/security.md)
	$(VENV)/bin/python -m tests.fuzz $(ARGS)

soak: $(VENV)/.dev ## open 100,000 mixed connections and look whether the service grows or miscounts (needs gcc, libssl-dev)
	$(VENV)/bin/python -m tests.soak $(ARGS)

history: $(VENV)/.dev ## two administrators change a cluster 1,000 times at random while it is cut; check what was seen (needs PostgreSQL)
	$(VENV)/bin/python -m tests.history $(ARGS)

sequences: $(VENV)/.dev ## 1,000 random sequences of changes: what plans say of each phone beside what the phone does
	$(VENV)/bin/python -m tests.sequences $(ARGS)

rollovers: $(VENV)/.dev ## each certificate rolled over in a cluster with 2,000 phones, of which some sleep: nobody is lost unnamed
	$(VENV)/bin/python -m tests.rollovers $(ARGS)

cluster-trial: $(VENV)/.dev ## a cluster with 500 phones in network namespaces, whose database fails (needs root, PostgreSQL)
	$(VENV)/bin/python -m tests.trial $(ARGS)

release: $(VENV)-release/.ready ## build the archives twice and compare them, with SBOM and checksums, in dist (SIGN=KEY signs; see docs/release.md)
	$(VENV)-release/bin/python -m deploy.release $(if $(SIGN),--sign '$(SIGN)') $(ARGS)

deb: $(VENV)/.run ## make the Debian package in build (needs Debian's Python and dpkg; see docs/debian.md)
	@$(VENV)/bin/python -m deploy.debian $(ARGS)

image: ## build the container image tvs (needs buildah; see docs/containers.md)
	@command -v buildah >/dev/null || { \
	    echo "buildah is not installed (on Debian: apt install buildah). With podman or docker: see docs/containers.md" >&2; exit 1; }
	buildah build --format docker --timestamp $${SOURCE_DATE_EPOCH:-0} --file deploy/container/Containerfile --tag tvs $(ARGS) .

lock: $(VENV)-lock/.ready ## make the lock files after a change of pyproject.toml (ARGS=--upgrade renews the versions)
	$(VENV)-lock/bin/python -m deploy.lock $(ARGS)

clean: ## stop and remove the cluster, remove .venv…, dist and what tools left behind; .state stays
	@test ! -e .cluster || $(PYTHON) -m deploy.cluster down --remove
	rm -rf $(VENV) $(VENV)-scan $(VENV)-web $(VENV)-release $(VENV)-lock dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .fuzz .coverage coverage.xml
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say what was installed; a changed pyproject.toml or lock file makes them old. Every package comes with its
# version and hash from a lock file; this one is then added without looking for others.

LOCKED := -m pip install --quiet --require-hashes
ITSELF := -m pip install --quiet --no-deps --no-build-isolation --editable .

$(VENV)/.run: pyproject.toml $(LOCKS)/runtime.txt $(LOCKS)/build.txt | $(VENV)/bin/pip
	$(VENV)/bin/python $(LOCKED) --requirement $(LOCKS)/runtime.txt --requirement $(LOCKS)/build.txt
	$(VENV)/bin/python $(ITSELF)
	@touch $@

$(VENV)/.dev: pyproject.toml $(LOCKS)/dev.txt | $(VENV)/bin/pip
	$(VENV)/bin/python $(LOCKED) --requirement $(LOCKS)/dev.txt
	$(VENV)/bin/python $(ITSELF)
	@touch $@ $(VENV)/.run $(VENV)/.cluster

$(VENV)/.cluster: $(LOCKS)/postgresql.txt $(VENV)/.run
	$(VENV)/bin/python $(LOCKED) --requirement $(LOCKS)/postgresql.txt
	@touch $@

$(VENV)/.fuzz: $(LOCKS)/fuzz.txt $(VENV)/.dev
	@$(VENV)/bin/python $(LOCKED) --requirement $(LOCKS)/fuzz.txt || { \
	    echo "Atheris, the fuzzer, has no wheel for this Python: it needs Linux on x86-64 and CPython 3.11 to 3.13." >&2; \
	    echo "Name one: make clean, then make fuzz PYTHON=python3.11. Without it the corpus is replayed: make test ARGS=tests/fuzz" >&2; exit 1; }
	@touch $@

$(VENV)-scan/.ready: $(LOCKS)/scan.txt $(LOCKS)/scan-build.txt | $(VENV)-scan/bin/pip
	$(VENV)-scan/bin/python $(LOCKED) --requirement $(LOCKS)/scan-build.txt
	$(VENV)-scan/bin/python $(LOCKED) --no-build-isolation --requirement $<
	@touch $@

$(VENV)-web/.ready: $(LOCKS)/web.txt $(LOCKS)/web/package.json $(LOCKS)/web/package-lock.json | $(VENV)-web/bin/pip
	$(VENV)-web/bin/python $(LOCKED) --requirement $<
	cp $(LOCKS)/web/package.json $(LOCKS)/web/package-lock.json $(VENV)-web/
	$(VENV)-web/bin/npm ci --prefix $(VENV)-web --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(VENV)-release/.ready $(VENV)-lock/.ready: $(VENV)-%/.ready: $(LOCKS)/%.txt | $(VENV)-%/bin/pip
	$(VENV)-$*/bin/python $(LOCKED) --requirement $<
	@touch $@

$(VENV)/bin/pip $(VENV)-scan/bin/pip $(VENV)-web/bin/pip $(VENV)-release/bin/pip $(VENV)-lock/bin/pip:
	@$(PYTHON) -c 'pass' 2>/dev/null || { echo "There is no '$(PYTHON)' here: install Python 3.11 or newer, or name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) is too old: Python 3.11 or newer is needed. Name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "This Python has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	$(PYTHON) -m venv $(@:/bin/pip=)
