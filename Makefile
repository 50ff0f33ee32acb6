# `make run` starts the site, `make test` proves it. Both need Python 3.11 to 3.13 and nothing else.

HOST ?= 127.0.0.1
PORT ?= 8000
SERVER ?= daphne
REQUIRE_ALL ?=
ARGS ?=

MAKEFLAGS += --no-print-directory
BIN := .venv/bin
PYTHON ?=

# Prints the first Python that will do; with PYTHON given, only that one is asked.
FIND_PYTHON = \
	for p in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python); do \
	  if $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then found=$$p; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Python 3.11, 3.12 or 3.13 is needed; $(or $(PYTHON),python3) is $$($(or $(PYTHON),python3) --version 2>/dev/null || echo missing). Another one: make run PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	fi

.PHONY: help run stack setup dev test test-interop check audit lock bench chaos fuzz screenshots clean

help:
	@echo "make run          set up what is missing and serve on http://$(HOST):$(PORT) (HOST, PORT, SERVER=daphne|uvicorn)"
	@echo "make stack        the same with PostgreSQL, Redis, two web processes, workers and a proxy (HOST, PORT, SERVER, DATA_DIR)"
	@echo "make test         every test; ARGS='tests/llm -k sse' for some, REQUIRE_ALL=1 to allow no skips"
	@echo "make check        format, lint, types, import contracts, migrations, deployment check"
	@echo "make test-interop against servers of other projects"
	@echo "make bench        time to first token, load, next to a bare relay"
	@echo "make chaos        what providers, processes, Redis and databases can do wrong; ARGS='--only kills' for a part"
	@echo "make fuzz         hostile bytes for the decoders; SECONDS=600 in all"
	@echo "make screenshots  the pictures of the documentation"
	@echo "make audit        known vulnerabilities of the dependencies (needs the advisory databases)"
	@echo "make lock         compile requirements*.in into requirements*.txt, package.json into package-lock.json"
	@echo "make clean        remove what was installed and built; data/ stays"

run: setup
	@exec $(BIN)/python manage.py serve --host $(or $(HOST),127.0.0.1) --port $(or $(PORT),8000) --server $(or $(SERVER),daphne)

# The wheels with PostgreSQL are among the packages for development.
stack: dev
	@exec $(BIN)/python -m project.stack --host $(or $(HOST),127.0.0.1) --port $(or $(PORT),8000) --server $(or $(SERVER),daphne) $(ARGS)

setup:
	@$(FIND_PYTHON); exec $$found project/bootstrap.py run

dev:
	@$(FIND_PYTHON); exec $$found project/bootstrap.py dev

test: dev
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	  DATA_DIR="$$folder" REQUIRE_ALL=$(REQUIRE_ALL) $(BIN)/python -m tests $(ARGS)

test-interop: dev
	@$(BIN)/python -m tests.interop $(ARGS)

check: dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy manage.py project chat tools tests
	$(BIN)/lint-imports --no-logo
	node_modules/.bin/tsc --noEmit -p tsconfig.json
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && export DATA_DIR="$$folder" && set -x && \
	  $(BIN)/python manage.py makemigrations --check --dry-run --verbosity 1 && \
	  HTTPS=yes ALLOWED_HOSTS=chat.example.org $(BIN)/python manage.py check --deploy --fail-level WARNING

audit: dev
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(BIN)/python -m venv "$$folder" && \
	  "$$folder/bin/pip" install --quiet pip-audit && \
	  "$$folder/bin/pip-audit" --require-hashes --disable-pip -r requirements.txt && \
	  npm audit --omit=dev

# uv resolves for every Python and system at once; the result names no index.
COMPILE = "$$folder/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links $(ARGS)
lock: dev
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(BIN)/python -m venv "$$folder" && \
	  "$$folder/bin/pip" install --quiet uv && \
	  $(COMPILE) requirements.in -o requirements.txt && \
	  $(COMPILE) requirements-dev.in -o requirements-dev.txt && \
	  npm install --package-lock-only

bench: dev
	@$(BIN)/python bench/run.py $(ARGS)

chaos: dev
	@$(BIN)/python -m tests.chaos --out $(ARGS)

fuzz: dev
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),600) --out $(ARGS)

screenshots: dev
	@$(BIN)/python -m tests.browser.screenshots $(ARGS)

clean:
	rm -rf .venv node_modules static .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
