PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
PY := $(BIN)/python
CODE := splitlib reproduction tools benchmarks tests

.DEFAULT_GOAL := help
.PHONY: help book figures claims test check serve lab bench torture lock format accept clean

help:  ## list these targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /|/' | awk -F'|' '{printf "make %-8s %s\n", $$1, $$2}'

book: figures  ## set up, run every notebook, build the book, say where it is
	@$(PY) -m tools.book

figures: .venv/book.stamp  ## run the notebooks (only those that something has changed for)
	@$(PY) -m tools.notebooks run

claims: figures  ## judge the paper's claims anew by the numbers of the notebooks
	@$(PY) -m tools.notebooks verify
	@$(PY) -m reproduction.verdicts check

# A browser, where there is none, is fetched while the notebooks run.
test: .venv/test.stamp check  ## set up and run everything that is tested
	@$(PY) -m tools.browser & $(MAKE) --no-print-directory claims book && wait $$!
	$(PY) -m pytest -n 3 --nbval-lax --nbval-current-env \
		--nbval-cell-timeout 600 splitlib reproduction tests notebooks/explorer.ipynb notebooks/fig1_layer_costs.ipynb

check: .venv/test.stamp  ## lint, formatting, types, stripped notebooks
	$(BIN)/ruff check $(CODE) notebooks
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(PY) -m tools.notebooks check

serve: book  ## show the book at http://localhost:8000 (another port: PORT=8080)
	$(PY) -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

lab: .venv/book.stamp  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

bench: .venv/test.stamp  ## measure speed, as ratios within one run
	$(PY) -m benchmarks

torture: figures .venv/test.stamp  ## try to make the runner lie, for some hours
	$(PY) -m tests.torture

lock: .venv/test.stamp  ## resolve the dependencies of pyproject.toml and package.json anew
	$(COMPILE) --extra book --output-file requirements.lock
	$(COMPILE) --extra test --constraint requirements.lock --output-file requirements-test.lock
	npm install --package-lock-only --omit-lockfile-registry-resolved --silent

COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --fork-strategy fewest \
	--generate-hashes --no-emit-index-url --python-version 3.11 \
	--custom-compile-command "make lock" pyproject.toml

format: .venv/test.stamp  ## format the code, strip the notebooks
	$(BIN)/ruff check --fix-only $(CODE) notebooks
	$(BIN)/ruff format $(CODE)
	$(PY) -m tools.notebooks strip

accept: figures  ## take over the executed tables and the README's summary
	$(PY) -m tools.notebooks accept
	$(PY) -m reproduction.verdicts accept

clean:  ## remove everything that was generated, .venv included
	rm -rf .venv .assets _build book/executed node_modules .mypy_cache .ruff_cache .pytest_cache

# Readers need requirements.lock alone; the test lock holds the same versions and more.
.venv/book.stamp: requirements.lock pyproject.toml | .venv/bin/python
	$(call install,requirements.lock)
	@touch $@

.venv/test.stamp: requirements-test.lock requirements.lock pyproject.toml | .venv/bin/python
	$(call install,requirements-test.lock)
	@touch .venv/book.stamp $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "Python 3.11, 3.12 or 3.13 with venv is needed: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv

define install
	@echo "Installing what $(1) lists into .venv (a few minutes the first time)"
	@$(PY) -m pip install --disable-pip-version-check --no-compile --require-hashes -r $(1)
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(PY) -m compileall -qq -j 0 .venv/lib || true  # by all cores; some templates are no Python
endef
