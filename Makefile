# Everything a developer or a first-time user runs. Nothing here needs root or touches the system: what is
# missing on the machine (chromium, say) makes its tests skip with the reason; `.ci/run` installs it.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow check format api docs web bench clean

VENV := .venv
STAMP := $(VENV)/.setup-done
# Where `make demo` puts its planted dataset and what was found in it.
DEMO_OUT ?= demo-out
# Scripts that `make bench` runs; each writes benchmarks/results/NAME.json.
BENCHMARKS := measure scan embed leak_path leak_scale resolve_scale memory startup radius_join cosine_search \
    whole_run review_app review_offline quality/verified_pairs quality/leaks quality/mislabels quality/outliers \
    quality/quality_issues
# More arguments for pytest: make test ARGS='-k identity'
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP)  ## make .venv with all that tests and demo need (PYTHON=... to choose the interpreter)

$(STAMP): pyproject.toml tools/setup-venv
	@tools/setup-venv $(VENV) '$(PYTHON)'
	@touch $@

demo: $(STAMP)  ## plant faults and leaks in a small dataset, find them, show where to look
	@$(VENV)/bin/chaffinch demo --to $(DEMO_OUT)

test: $(STAMP)  ## run the tests (below three minutes on two cores)
	@$(VENV)/bin/python -m pytest $(ARGS)

test-slow: $(STAMP)  ## run only the tests marked slow
	@$(VENV)/bin/python -m pytest -m 'slow and not scale' $(ARGS)

check: $(STAMP)  ## format, lint, types, contract tests; run it before each commit
	@$(VENV)/bin/ruff format --check --quiet . || { echo "hint: make format" >&2; exit 1; }
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/python -m pytest tests/contract

format: $(STAMP)  ## put the code into the house format
	@$(VENV)/bin/ruff format --quiet .
	@$(VENV)/bin/ruff check --quiet --fix .

api: $(STAMP)  ## write public names (tests/contract/api.txt) and the page's types anew after a wanted change
	@$(VENV)/bin/python tests/contract/test_public_names.py --write
	@$(VENV)/bin/python tools/page_types.py > web/src/data/api.ts

docs: $(STAMP)  ## write the tables of docs/performance.md and README.md anew from benchmarks/results
	@$(VENV)/bin/python benchmarks/tables.py
	@$(VENV)/bin/python benchmarks/headline.py

web: $(STAMP)  ## build the review page anew from web/ (with the Node of this machine or one from PyPI)
	@rm -f src/chaffinch/serve/review.html
	@$(VENV)/bin/python -m pip install --quiet --no-deps --editable .

bench: $(STAMP)  ## measure everything anew (an hour), write its tables, hold it against the targets
	@for name in $(BENCHMARKS); do \
	    echo "benchmarks/$$name.py"; $(VENV)/bin/python benchmarks/$$name.py >/dev/null || exit 1; done
	@$(VENV)/bin/python benchmarks/whole_run.py --apart >/dev/null
	@$(MAKE) --no-print-directory docs
	@$(VENV)/bin/python -m pytest -m scale $(ARGS)

clean:  ## remove caches, builds and the demo; .venv stays
	@rm -rf build dist demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
