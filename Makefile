PYTHON ?= python3
BIN := .venv/bin

.PHONY: quickstart setup paper test fuzz mutants lint format docs clean

quickstart: .venv/ready
	$(BIN)/python scripts/quickstart.py --force

# The environment of developers: .venv with the pinned versions.
setup: .venv/tested

# Both versions of the paper. DAA_DATA and DAA_MODELS name the folders of data sets and weights.
paper: .venv/ready
	$(BIN)/python scripts/paper.py $(PAPER)

# One process per core; idle processes take tests from busy ones.
test: .venv/tested
	$(BIN)/python -m pytest -n auto --dist worksteal

# 2,000 new malformed inputs in about ten minutes.
fuzz: .venv/tested
	FUZZ_CASES=$${FUZZ_CASES:-2000} $(BIN)/python -m pytest tests/fuzz

# Plants 200 faults, one at a time, and lists those that no test detects; an hour on two cores.
mutants: .venv/tested
	$(BIN)/python -m benchmarks.mutants $(MUTANTS)

lint: .venv/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/tested
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/ready: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

.venv/tested: .venv/ready tests/requirements.txt docs/requirements.txt
	$(BIN)/python -m pip install --quiet --requirement tests/requirements.txt
	touch $@

# The documentation site: build/docs/index.html.
docs: .venv/tested
	$(BIN)/python -m sphinx -q -W --keep-going -c docs . build/docs

clean:
	rm -rf .venv build results/quickstart
