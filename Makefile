# Every target sets up what it needs in .venv by itself. Only python3 (3.11 or newer), make and git are assumed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXIT ?=

.PHONY: demo test check bench test-systems docs lock clean

demo: $(VENV)/ready  ## start everything on a throw-away database, send the sample tickets, show the decisions
	$(BIN)/rung demo $(if $(EXIT),--exit)

test: $(VENV)/ready  ## all checks and tests; needs no system package
	$(MAKE) --no-print-directory check
	$(BIN)/pytest -n 2 --dist loadfile

check: $(VENV)/ready  ## style, types, layers, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/rung check
	$(BIN)/rung test

bench: $(VENV)/ready  ## the ratios of the README, measured here and now
	$(BIN)/python benchmarks/run.py

test-systems: $(VENV)/ready  ## install real counterparts (Chromium, PostgreSQL) and test against them
	tests/systems/install
	$(BIN)/pytest tests/systems

docs: $(VENV)/ready  ## write the generated pages again
	$(BIN)/python docs/generate.py

lock: $(VENV)/ready  ## resolve the dependencies again
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
		pyproject.toml --group dev -o requirements.lock

$(VENV)/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Rung needs Python 3.11 or newer; say which one: make PYTHON=python3.12 …" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || $(PYTHON) -m virtualenv $(VENV) || \
		{ rm -rf $(VENV); echo "python3 cannot make a virtual environment: install your system's python3-venv package" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

clean:  ## remove what the targets made here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
