# `make evolve` and `make test` do all of their own set-up in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
RUN ?= runs/quick
OPTIONS ?=

.PHONY: evolve test test-slow check format sanitize reference setup clean

evolve: setup  ## Evolve walkers and their environments in RUN; again to resume
	$(BIN)/poet evolve $(RUN) $(OPTIONS)

test: setup  ## Run the tests: minutes on two cores
	$(BIN)/pytest -n auto --dist worksteal -m "not slow"

test-slow: setup  ## Run the long proofs too, such as 100,000 steps of either engine compared
	$(BIN)/pytest -n auto --dist worksteal -m slow

check: setup  ## Lint, format check, type check
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: setup  ## Mend what a tool can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

sanitize: setup  ## Run the walker core's own test under the address and undefined-behaviour sanitisers
	$(BIN)/cmake -S environments/walker2d/native -B build/sanitize -DWALKER_SANITIZE=ON -DWALKER_SELFTEST=ON
	$(BIN)/cmake --build build/sanitize
	build/sanitize/walker_selftest

reference: setup  ## Write docs/settings.md anew from the settings themselves
	$(BIN)/poet settings --markdown > docs/settings.md

setup: $(READY)  ## Make .venv, when pyproject.toml, constraints.txt or the C++ are newer

$(READY): pyproject.toml constraints.txt $(wildcard environments/*/native/*.[ch]pp environments/*/native/CMakeLists.txt) environments/CMakeLists.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it by: make PYTHON=python3.x $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up $(VENV): once, some minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e . --group dev
	@touch $@

clean:  ## Remove .venv and caches; runs stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
