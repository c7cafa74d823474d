# `make evolve` and `make test` do all of their own set-up in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
INSTALLED := $(VENV)/installed
PACKAGES := poet environments evolution transfer cluster meta_learners
NATIVE := $(wildcard environments/native/*.[ch]pp environments/*/native/*.[ch]pp environments/*/native/*/*.[ch]pp) \
	$(wildcard environments/*/native/CMakeLists.txt) environments/CMakeLists.txt \
	$(wildcard evolution/proximal/*.[ch]pp evolution/proximal/CMakeLists.txt)
PIP := $(BIN)/pip --quiet --disable-pip-version-check
RUN ?= runs/quick
OPTIONS ?=

.PHONY: evolve test test-slow check format sanitize reference docs setup clean

# An editable install puts our folders before a user's own of the same names; so those who only use POET get an
# ordinary one, and developers, whose .venv is there already, keep theirs.
evolve: $(if $(wildcard $(READY)),$(READY),$(INSTALLED))  ## Evolve walkers and their environments in RUN; again to resume
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

sanitize: setup  ## Run the cores' own tests under the address and undefined-behaviour sanitisers
	$(BIN)/cmake -S environments/walker2d/native -B build/sanitize -DWALKER_SANITIZE=ON -DWALKER_SELFTEST=ON
	$(BIN)/cmake --build build/sanitize
	build/sanitize/walker_selftest
	$(BIN)/cmake -S environments/hexapod3d/native -B build/sanitize-hexapod -DHEXAPOD_SELFTEST=ON
	$(BIN)/cmake --build build/sanitize-hexapod
	build/sanitize-hexapod/hexapod_selftest
	$(BIN)/cmake -S evolution/proximal -B build/sanitize-proximal -DPROXIMAL_SELFTEST=ON
	$(BIN)/cmake --build build/sanitize-proximal
	build/sanitize-proximal/proximal_selftest

reference: setup  ## Write docs/settings.md and the tables of learners anew from the settings and learners themselves
	$(BIN)/poet settings --markdown > docs/settings.md
	$(BIN)/python -m benchmarks.known_answers.systems

docs: setup  ## Build the documentation site in build/site; open build/site/index.html
	$(PIP) install -c constraints.txt --group docs
	$(BIN)/mkdocs build --strict --quiet
	@echo "open build/site/index.html"

setup: $(READY)  ## Make .venv for developers, when pyproject.toml, constraints.txt or the C++ are newer

define new-venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or newer is needed; name it by: make PYTHON=python3.x $(MAKECMDGOALS)"; exit 1; }
@echo "setting up $(VENV): once, some minutes"
$(PYTHON) -m venv $(VENV)
$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
endef
# The hexapod's engine, where there is a wheel of it: without one pip would compile for half an hour, or fail.
define add-pybullet
@$(PIP) install -c constraints.txt --only-binary pybullet pybullet 2>/dev/null || \
	echo "no wheel of PyBullet for this Python: all works but the hexapod (docs/hexapod.md)"
endef

$(READY): pyproject.toml constraints.txt $(NATIVE)
	$(new-venv)
	$(PIP) install -c constraints.txt -e . --group dev
	$(add-pybullet)
	@rm -f $(INSTALLED)
	@touch $@

$(INSTALLED): pyproject.toml constraints.txt $(shell find $(PACKAGES) -type f ! -path '*/__pycache__/*' 2>/dev/null)
	$(new-venv)
	$(PIP) install -c constraints.txt .
	$(add-pybullet)
	@touch $@

clean:  ## Remove .venv and caches; runs stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
