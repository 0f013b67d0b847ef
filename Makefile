# What there is to do with a checkout. `make` alone lists it.
#
# Needs Python 3.10 or newer and a package registry. Everything else goes into an environment of its own, $(VENV),
# made on first use and brought up to date when pyproject.toml changes. Another Python: make test PYTHON=python3.13

VENV = .venv
BIN = $(VENV)/bin
PYTHON = $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$python && break; done)
TESTS = tests
# A third worker runs while two wait for processes and answers.
PYTEST = $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
ONLY =
BASE = main
SECONDS = 60
UPGRADE =
ACCOUNT =
LIST =
EMULATOR =
FROM =
INTEROP := $(VENV)/interop
PEERS := $(VENV)/peers
SIZES = 1 100 1000
SECURITY := $(VENV)/security
SEED =
GUARD_RULES =
SUITES =

# Compiled modules are kept, whatever the user has set: three workers compile the tests in 50 s, and commands theirs.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.PHONY: help demo live test compiled paths pairs histories everything interop fuzz chaos mutants check lint types template security format bench bench-peers bench-curves soak pictures docs site man lock dist release clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1 \2/p' Makefile | while read -r target what; do \
		printf '  make %-12s %s\n' "$$target" "$$what"; done

live: $(VENV)/.has-dev ## each option in your AWS account, used, measured and taken down; says the cost and asks first: make live LIST=yes
	@$(if $(EMULATOR),$(BIN)/sldb emulator --) $(BIN)/python -m live $(if $(ACCOUNT),--account $(ACCOUNT)) $(if $(LIST),--list) $(if $(EMULATOR),--short)

demo: $(VENV)/.has-emulator ## an AWS on this machine, sldb deployed to it, and a session with it
	@$(BIN)/sldb emulator -- $(BIN)/python -m demo

# What takes long has the marker `long`, and a step of its own.
test: $(VENV)/.has-dev ## the tests; some: TESTS="tests/sldb/render -k caret"; those that a change touches: ONLY=changed
ifeq ($(ONLY),changed)
	@touched=$$(BASE=$(BASE) $(BIN)/python -m tests.running.changed) && \
	if [ -n "$$touched" ]; then $(PYTEST) $$touched; else echo "the change touches no test"; fi
else
	$(PYTEST) -m "not long" $(TESTS)
endif

# Otherwise each of three workers compiles all tests, and rewrites their assertions, at the same time.
compiled: $(VENV)/.has-dev
	@$(BIN)/python -m pytest --collect-only -q $(TESTS) >/dev/null

paths: $(VENV)/.has-dev ## the long tests of whole paths: stacks that are deployed, used, broken and mended; and which rights none of them used
	rm -rf $(VENV)/rights
	RIGHTS_USED=$(VENV)/rights $(PYTEST) -m long --ignore tests/simulation --ignore tests/chaos --ignore tests/interop tests
	$(BIN)/python -m tests.access $(VENV)/rights

pairs: $(VENV)/.has-dev ## stacks with each pair of values of two options of `sldb deploy`, of which `make paths` deploys a part
	PAIRS=all $(PYTEST) -m long tests/sldb/deploy/pairs

histories: $(VENV)/.has-dev ## simulated histories, the same ones each time, and every planted bug
	$(PYTEST) -m long tests/simulation

everything: check test paths histories ## all that can be checked on this machine, for hours if need be: make everything SECONDS=600
	$(MAKE) pairs chaos interop mutants fuzz soak bench

interop: $(VENV)/.has-dev $(INTEROP)/.has-servers $(INTEROP)/.has-clients $(INTEROP)/.has-suites ## the tests against independent servers, clients and suites: MiniStack, SeaweedFS, LocalStack, rclone, clients of libSQL, SQLAlchemy; whole suites: SUITES=all
	SLDB_INTEROP=$(INTEROP) SUITES=$(SUITES) $(BIN)/python -m pytest -n 3 --dist loadfile -rs --durations=5 tests/interop

fuzz: $(VENV)/.has-dev ## damaged inputs for decoders and splitters, other ones each time: make fuzz SECONDS=60
	$(BIN)/python -m tests.fuzz $(SECONDS)

chaos: $(VENV)/.has-dev ## real processes killed, frozen and cut off, so long for each scenario: make chaos SECONDS=60
	CHAOS_SECONDS=$(SECONDS) $(BIN)/python -m pytest -q -s -m long tests/chaos

mutants: $(VENV)/.has-dev ## take each invariant out of the code, and see that a test fails
	$(BIN)/python -m tests.mutants

check: lint types template ## what can be checked without running it

lint: $(VENV)/.has-dev ## ruff: the rules, and the format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.has-dev ## mypy
	$(BIN)/mypy

template: $(VENV)/.has-dev ## cfn-lint
	$(BIN)/cfn-lint cloudformation/template.yaml

security: $(VENV)/.has-dev $(SECURITY)/.has-tools ## checkov, cfn-lint, cfn-guard, bandit, pip-audit, zizmor; more rules of cfn-guard: GUARD_RULES=DIR
	GUARD_RULES=$(GUARD_RULES) $(BIN)/python -m tests.security $(SECURITY)

format: $(VENV)/.has-dev ## rewrite the code as `make lint` wants it
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.has-dev ## what is measured, on this machine
	@for name in startup authorizer engine page_size storage amplification transfer transfer_rows http_api queue insights express efs writes idle curves.past; do echo "== $$name"; $(BIN)/python -m "benchmarks.$$name" || exit 1; done

bench-peers: $(VENV)/.has-dev $(PEERS)/.has-peers ## sldb beside other ways to keep SQLite in S3, on one simulated S3: make bench-peers SIZES="1 100"
	$(BIN)/python -m benchmarks.peers --fresh --docs $(SIZES)

bench-curves: $(VENV)/.has-dev ## how requests, bytes, time, memory and price grow with size, commits, databases, containers, messages
	$(BIN)/python -m benchmarks.curves --docs

soak: $(VENV)/.has-dev ## simulated histories for a while: make soak SECONDS=600; one of them again: make soak SEED=4711
	$(BIN)/python -m tests.simulation.soak $(if $(SEED),--seed $(SEED),--seconds $(SECONDS) $(if $(FROM),--first $(FROM)))

pictures: $(VENV)/.has-dev ## draw the pictures of the README anew (needs tmux)
	$(BIN)/python docs/pictures/draw.py

docs: $(VENV)/.has-dev ## write the page of all commands anew
	$(BIN)/python -m docs.reference > docs/commands.md

site: $(VENV)/.has-dev ## the documentation as pages to open in a browser, build/site/index.html, without a network
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

man: $(VENV)/.has-dev ## the man pages, in build/man: man -l build/man/sldb.1
	$(BIN)/python -m docs.man_pages build/man

# The pins stay as they are as far as the .in files allow; newer ones: make lock UPGRADE=--upgrade
lock: $(VENV)/.has-dev ## pin what goes into the functions' bundle, with hashes
	@for name in requirements requirements-al2; do \
		echo "lambda_handlers/$$name.txt"; \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
			$(UPGRADE) --output-file "lambda_handlers/$$name.txt" "lambda_handlers/$$name.in" || exit 1; done

dist: $(VENV)/.has-dev ## wheel and sdist, in dist/
	$(BIN)/python -m build --outdir dist

release: $(VENV)/.has-dev ## wheel, sdist, template, bill of materials and checksums, in dist/, built twice and compared
	$(BIN)/python -m docs.release dist

clean: ## remove the environment and all that was made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find sldb lambda_handlers tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment that is there already is added to, never made anew. uv takes a sixth of pip's time; pip knows registries
# (pip.conf) that uv does not. The marks say what has been installed into it.
$(VENV)/.has-emulator: pyproject.toml
	@$(call install,emulator)
	@touch $@

$(VENV)/.has-dev: pyproject.toml
	@$(call install,dev)
	@touch $@ $(VENV)/.has-emulator

# LocalStack stands apart: it wants versions that the others do not. Where it does not install, its tests are skipped.
$(INTEROP)/.has-servers: override VENV = $(INTEROP)
$(INTEROP)/.has-servers: pyproject.toml tests/interop/localstack.txt
	@$(call install,interop)
	@$(PYTHON) -m venv $(INTEROP)/localstack
	@$(BIN)/uv pip install --quiet --python $(INTEROP)/localstack/bin/python -r tests/interop/localstack.txt || \
		{ echo "LocalStack cannot be installed: its tests will be skipped" >&2; rm -rf $(INTEROP)/localstack; }
	@touch $@

# Node and Go are Python packages, too. Prisma's generator needs no engine, and looks for one: none is downloaded.
$(INTEROP)/.has-clients: tests/interop/clients.txt tests/interop/javascript/package.json tests/interop/javascript/schema.prisma
	@$(PYTHON) -m venv $(INTEROP)/clients
	@( $(INTEROP)/clients/bin/python -m pip install -qq --disable-pip-version-check -r tests/interop/clients.txt && \
	$(INTEROP)/clients/bin/python -m pip download -qq --disable-pip-version-check --no-deps --no-binary turso-serverless \
		--dest $(INTEROP)/clients/sdist "$$(grep turso tests/interop/clients.txt)" && \
	mkdir -p $(INTEROP)/javascript && \
	cp tests/interop/javascript/package.json tests/interop/javascript/schema.prisma $(INTEROP)/javascript/ && \
	export PATH="$(abspath $(INTEROP))/clients/bin:$$PATH" && cd $(INTEROP)/javascript && \
	npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts && \
	CHECKPOINT_DISABLE=1 PRISMA_SCHEMA_ENGINE_BINARY="$$(command -v node)" node_modules/.bin/prisma generate \
		--schema schema.prisma >/dev/null ) || \
		{ echo "clients of libSQL cannot be installed: their tests will be skipped" >&2; \
		rm -rf $(INTEROP)/clients $(INTEROP)/javascript; }
	@touch $@

# Public suites of tests, each in an environment with its versions and sldb.
$(INTEROP)/.has-suites: pyproject.toml $(wildcard tests/interop/suites/*.txt)
	@for list in tests/interop/suites/*.txt; do \
		suite=$(INTEROP)/$$(basename "$$list" .txt); \
		$(PYTHON) -m venv "$$suite"; \
		$(BIN)/uv pip install --quiet --python "$$suite/bin/python" -r "$$list" --editable . 2>/dev/null || \
		"$$suite/bin/python" -m pip install -qq --disable-pip-version-check -r "$$list" --editable . || \
		{ echo "$$list cannot be installed: its tests will be skipped" >&2; rm -rf "$$suite"; }; \
	done
	@touch $@

$(PEERS)/.has-peers: benchmarks/peers/requirements.txt
	@$(PYTHON) -m venv $(PEERS)
	@$(BIN)/uv pip install --quiet --python $(PEERS)/bin/python -r benchmarks/peers/requirements.txt 2>/dev/null || \
		$(PEERS)/bin/python -m pip install -qq --disable-pip-version-check -r benchmarks/peers/requirements.txt
	@touch $@

# The rules of AWS Control Tower for cfn-guard are in a package for CDK, as an archive of Node: only they are taken.
$(SECURITY)/.has-tools: tests/security/tools.txt tests/security/guard_rules.txt
	@$(PYTHON) -m venv $(SECURITY)
	@$(BIN)/uv pip install --quiet --python $(SECURITY)/bin/python -r tests/security/tools.txt 2>/dev/null || \
		$(SECURITY)/bin/python -m pip install -qq --disable-pip-version-check -r tests/security/tools.txt
	@rm -rf $(SECURITY)/guard_rules $(SECURITY)/wheels
	@$(SECURITY)/bin/python -m pip download -qq --disable-pip-version-check --no-deps --dest $(SECURITY)/wheels \
		-r tests/security/guard_rules.txt
	@$(SECURITY)/bin/python tests/security/unpack_rules.py $(SECURITY)/wheels $(SECURITY)/guard_rules
	@touch $@

define install
	test -n "$(PYTHON)" || { echo "Python 3.10 or newer is needed; name it: make PYTHON=/path/to/python3" >&2; exit 1; }; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV); \
	echo "installing into $(VENV) what pyproject.toml asks for ($(1))"; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check uv; \
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[$(1)]' 2>/dev/null || \
	$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[$(1)]'
endef
