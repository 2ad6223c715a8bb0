# The two commands of the README are `make run` and `make test`; both do all the set-up on a fresh machine.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
ARGS ?=
# Workers of the suite: half of its time is waiting for browsers and child processes.
WORKERS ?= 2
export OMP_NUM_THREADS ?= 2

.PHONY: run test setup check demo bench browser clean

run: $(VENV)/.run
	$(PY) app.py

test: $(VENV)/.test browser
	OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder $(ARGS)

setup: $(VENV)/.run $(VENV)/.test browser

check: $(VENV)/.test
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m pytest tests/test_layers.py tests/test_settings.py tests/test_census.py -q $(ARGS)

demo: $(VENV)/.run
	$(PY) -m flywheel demo $(ARGS)

bench: $(VENV)/.test
	@for program in benchmarks/*.py; do echo "== $$program"; $(PY) -m "benchmarks.$$(basename $$program .py)" || exit 1; done

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "Flywheel needs Python 3.11 or newer, and \`$(PYTHON)\` is not on the PATH. Install the package python3 (Debian: apt-get install python3 python3-venv)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Flywheel needs Python 3.11 or newer; \`$(PYTHON)\` is $$($(PYTHON) -V). Name another one: make run PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing. Install the package python3-venv (Debian: apt-get install python3-venv)."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.made requirements.txt constraints.txt
	@echo "Installing what Flywheel needs into $(VENV) (a few minutes the first time) ..."
	@$(PIP) "$$(grep '^torch==' constraints.txt)"
	@$(PIP) --requirement requirements.txt
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements-test.txt
	@$(PIP) --requirement requirements-test.txt
	@touch $@

browser: $(VENV)/.test
	@$(PY) tests/support/get_browser.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
