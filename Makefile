# scatterflow: `make demo` and `make test` need Python >= 3.11 and pip (or uv), and nothing else.

SHELL := /bin/sh
.DEFAULT_GOAL := help

CORES ?= $(shell nproc 2>/dev/null || echo 2)
PYTHON := .venv/bin/python
SNAKEMAKE := $(PYTHON) -m snakemake

# Only what is in .venv counts, whatever the calling shell has loaded.
unexport PYTHONPATH PYTHONHOME

.PHONY: help
help: ## show this list
	@echo 'make [CORES=n] TARGET'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: runtime dev
runtime:
	@envs/venv.sh requirements.lock
dev:
	@envs/venv.sh requirements-dev.lock

.PHONY: demo
demo: runtime ## simulate raw data, reduce it and write a report
	$(SNAKEMAKE) --cores $(CORES)
	$(SNAKEMAKE) --report results/report.html
	@echo
	@echo 'report:    $(CURDIR)/results/report.html'
	@echo 'results:   $(CURDIR)/results/'

.PHONY: test
test: dev ## run all tests
	$(PYTHON) -m pytest -n $(CORES) --dist loadfile tests

.PHONY: coverage
coverage: dev ## run all tests and show which lines of the library none of them reaches
	$(PYTHON) -m pytest -n $(CORES) --dist loadfile --cov --cov-report= tests
	$(PYTHON) -m coverage report

.PHONY: lint
lint: dev ## check style, format, types and the workflow
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile rules
	$(SNAKEMAKE) --lint
	$(PYTHON) -m mypy

ifneq ($(wildcard benchmarks/run.py),)
.PHONY: benchmark
benchmark: dev ## compare with other programs, write benchmarks/results.json
	$(PYTHON) benchmarks/run.py
endif

LOCK := uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
        --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' $(LOCK_FLAGS)
.PHONY: lock
lock: ## solve envs/*.in anew; needs uv; LOCK_FLAGS=--upgrade takes newer versions
	cd envs && $(LOCK) requirements.in --output-file requirements.lock
	cd envs && $(LOCK) --excludes excludes.txt requirements-dev.in --output-file requirements-dev.lock

.PHONY: pins
pins: ## write the exact packages of each conda environment; needs conda
	envs/pins.sh

PORT ?= 8765
.PHONY: portal
portal: runtime ## make the web site of all results and serve it to this computer; PORT=n
	$(PYTHON) scripts/scatterflow portal --serve --port $(PORT)

.PHONY: tiled
tiled: dev ## serve the mask registry by Tiled, read-only; set TILED_SINGLE_USER_API_KEY
	PYTHONPATH=scripts .venv/bin/tiled serve config config/tiled.yaml

# Raw data and results are never removed here: `.venv/bin/snakemake --delete-all-output` does that.
.PHONY: clean
clean: ## remove the environment and caches; raw data, results and logs stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
	find scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +
