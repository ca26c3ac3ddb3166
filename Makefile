PYTHON ?= python3
BIN := .venv/bin
# What a user of the library calls; the modules that the package names itself come with `daa`.
API := daa daa.attacks.attack daa.errors daa.attacks.methods daa.attacks.plans daa.attacks.worst_case daa.target \
	daa.targets.adapters.keras daa.targets.adapters.saved_model daa.evaluation.checks daa.evaluation.evaluate

.PHONY: quickstart paper test fuzz lint format docs clean

quickstart: .venv/ready
	$(BIN)/python scripts/quickstart.py --force

# Both versions of the paper; DAA_DATA and DAA_MODELS name the folders of data sets and weights.
paper: .venv/ready
	$(BIN)/python scripts/paper.py $(PAPER)

test: .venv/tested
	$(BIN)/python -m pytest

# New malformed inputs each time, which must all end in a result or in one line; half an hour.
fuzz: .venv/tested
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-4000} $(BIN)/python -m pytest tests/fuzz

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

.venv/tested: .venv/ready tests/requirements.txt
	$(BIN)/python -m pip install --quiet --requirement tests/requirements.txt
	touch $@

# The API page, from the docstrings: build/api/index.html. Nothing is downloaded.
docs: .venv/tested
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/pdoc --docformat google -o build/api $(API)

clean:
	rm -rf .venv build results/quickstart
