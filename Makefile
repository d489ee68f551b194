# What a developer runs. Needs Python 3.11 or later with venv, and make; all else is installed into $(VENV).

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
ARGS ?=

BIN := $(VENV)/bin
PYTEST ?= $(BIN)/python -m pytest
# The second name is what newer releases of pip want for what builds the package.
PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	$(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help serve test test-all test-soak test-quality lint tables messages screenshots bench profile mutate matrix kills comparison drift build clean

help:
	@echo "make serve     run the server; options in ARGS: make serve ARGS='--port 0'"
	@echo "make test      run the quick tests; pytest's options in ARGS: make test ARGS='-k scopes'"
	@echo "make test-all  run every test except those of the next two, with branch coverage of the package"
	@echo "make test-soak  run the long tests: races, kill loops, fuzzing"
	@echo "make test-quality  break the package on purpose, and see whether the tests notice"
	@echo "make lint      ruff and mypy"
	@echo "make tables    write the Python modules of scopes and operations from their JSON files"
	@echo "make messages  write docs/messages.md from the source and tools/messages.toml"
	@echo "make screenshots  take pictures of the page, into docs/; needs Chromium"
	@echo "make bench     measure the server next to bare ones, and write docs/speed.md; or make bench ARGS=--check"
	@echo "make profile   show where the time of a request and of the start goes"
	@echo "make mutate    mutation run over the pure layers, the control plane and MockMoov; one of them: make mutate ARGS=pure"
	@echo "make matrix    the contract suite and the foreign clients against every breakage"
	@echo "make kills     of those, the contract suite only"
	@echo "make comparison  the contract suite against other fakes"
	@echo "make drift     compare the data with the newest of Moov's SDKs, and write reports/drift.md; needs the network"
	@echo "make build     sdist and wheel, into dist/"
	@echo "make clean     remove what the others made, $(VENV) too"

serve: $(VENV)/.installed
	@$(BIN)/mockmoov serve $(ARGS)

test: $(VENV)/.installed-dev
	@$(PYTEST) -n $(WORKERS) -m 'not slow and not soak and not quality' $(ARGS)

test-all: $(VENV)/.installed-dev
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest -n $(WORKERS) -m 'not soak and not quality' --hypothesis-profile=full $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

test-soak: $(VENV)/.installed-dev
	@$(PYTEST) -n $(WORKERS) -m 'soak or hypothesis' --hypothesis-profile=soak --timeout=3600 $(ARGS)

test-quality: $(VENV)/.installed-dev kills
	@$(PYTEST) -n $(WORKERS) tests/quality
	@$(BIN)/python -m tools.mutation pure

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary

tables: $(VENV)/.installed-dev
	@$(BIN)/python -m tools.generate_tables

messages: $(VENV)/.installed-dev
	@$(BIN)/python -m tools.messages

screenshots: $(VENV)/.installed-dev
	@$(BIN)/python -m tools.screenshots

bench: $(VENV)/.installed-dev
	@$(BIN)/python -m benchmarks $(or $(ARGS),--write)

profile: $(VENV)/.installed-dev
	@$(BIN)/python -m benchmarks.profiling

mutate: $(VENV)/.installed-dev
	@$(BIN)/python -m tools.mutation $(ARGS)

matrix: kills
	@$(BIN)/python -m tools.matrix

kills: $(VENV)/.installed-dev
	@$(BIN)/python -m tools.kills

comparison: $(VENV)/.installed-dev
	@$(BIN)/python -m tools.comparison

drift: $(VENV)/.installed-dev
	@$(BIN)/python -m tools.drift

build: $(VENV)/.installed-dev
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation >$(VENV)/build.log 2>&1 || { cat $(VENV)/build.log; exit 1; }
	@ls dist/*

clean:
	@rm -rf $(VENV) dist build mutants .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("mockmoov needs Python 3.11 or later, not " + sys.version.split()[0] + ": make PYTHON=...")'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Empty files that say when the installation was last made to agree with these two.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing mockmoov into $(VENV), once" >&2
	@$(PIP) install --editable '.[tls,openapi,redis,verify]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing mockmoov and what its tests need into $(VENV), once" >&2
	@$(PIP) install --editable '.[dev]'
	@touch $(VENV)/.installed $@
