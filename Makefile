# Every target sets up what it needs: Python 3.11 or newer is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Jobs run side by side, one thread each: two PyTorch threads beside other work were up to ten times slower.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup reproduce paper-plan test test-slow parity bench faults fuzz lint format lock schema clean

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## create .venv from the lock, if it is missing or stale

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $(READY)

reproduce: $(READY) ## generate the miniature benchmarks, train, track, evaluate, report
	@$(BIN)/python workflow/reproduce.py

paper-plan: $(READY) ## print the whole plan at the paper's scale without running it
	$(BIN)/snakemake --dry-run --cores all --configfile workflow/config/paper.yaml

test: $(READY) ## run the tests
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(READY) ## run the tests that take minutes
	$(BIN)/pytest -m slow

parity: $(READY) ## run the official toolkits on generated benchmarks and compare every box with ours
	@$(BIN)/python -m siamrcr.toolkits.parity

bench: $(READY) ## time whole commands beside the official toolkits, into results/bench/
	@$(BIN)/python -m bench

faults: $(READY) ## disturb finished runs: kills, full disks, damaged files; into results/faults/
	@$(BIN)/python -m faults

fuzz: $(READY) ## try broken files on every parser of foreign ones; into results/faults/
	@$(BIN)/python -m faults.fuzz

lint: $(READY) ## linter, formatters, type checker, spelling, Snakemake's linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/codespell $$(git ls-files)
	$(BIN)/snakemake --lint

format: $(READY) ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

lock: $(READY) ## resolve the dependencies anew
	$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet uv
	$(VENV)/lock/bin/uv pip compile --quiet --universal --upgrade --generate-hashes --no-header --no-annotate \
		--python-version 3.11 pyproject.toml --group dev --output-file requirements.lock

schema: $(READY) ## write the configuration's JSON Schema
	$(BIN)/python -c 'from siamrcr.config import schema_text; print(schema_text(), end="")' > workflow/config/schema.json

clean: ## delete what the mini run made
	rm -rf results/mini data/mini
