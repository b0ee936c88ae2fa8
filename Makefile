# Everything a developer needs. Each target makes what it lacks, in .venv; a second run is quick.
#   make demo          a provider and two protected dashboards on this machine   (CHECK=1: sign in, look, and stop)
#   make test          everything that CI checks                                 (STRICT=1: a skipped test is a failure)
#   make peers         the other providers of the interoperability tests          (without them, those tests are skipped)
#   make lint          the checks that run no code of ours
#   make bench         what a request costs, here and with others                (make bench-quick: roughly; bench-scale: a million sessions)
#   make profile       flame graphs of a request
#   make fuzz          the property tests with many more examples
#   make refresh-soak  10,000 refreshes by four workers at once, twice            (about two hours; ROUNDS=1000: any other number)
#   make faultpoints   what can go wrong at every step of every flow, in every kind of store
#   make soak          the tests of scale with thousands of users and a million requests; takes an hour
#   make docs          the generated pages of docs/
# PYTHON=python3.12 chooses the interpreter of .venv; ARGS="-k cookie" goes to pytest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: demo test peers lint coverage other-pythons quick bench bench-quick bench-scale fuzz soak docs clean help

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$python; break; fi; done)
VENV ?= .venv
JOBS ?= 2
ARGS ?=
PY := $(VENV)/bin/python
PINS := constraints/pins.txt
PIP_FLAGS := --quiet --disable-pip-version-check --no-input --constraint $(PINS)
DEMO := $(VENV)/.installed-demo
DEV := $(VENV)/.installed-dev

export PIP_ROOT_USER_ACTION := ignore
ifneq ($(filter-out 0,$(STRICT)),)
export OIDC_TEST_NO_SKIP := 1
endif

help:
	@sed -n '2,13s/^# *//p' Makefile

demo: $(DEMO)
	$(PY) examples/demo/run.py $(if $(filter-out 0,$(CHECK)),--check)

# -- the checks ---------------------------------------------------------------------------------------------------------------------------

test: lint coverage other-pythons

lint: $(DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# Overall 95 %; the rooms where a missed branch is a missed check, 98 %.
coverage: $(DEV)
	rm -f .coverage .coverage.*
	$(PY) -m pytest -n $(JOBS) --dist loadfile --cov --cov-report= $(ARGS)
	$(VENV)/bin/coverage report --fail-under=95
	@for room in protocol sessions policy flows; do \
		echo "== coverage of $$room, at least 98 %"; \
		$(VENV)/bin/coverage report --include="oidc_middleware/$$room/*" --fail-under=98 | tail -n 3; \
	done

# While working: no coverage, no other interpreters.
quick: $(DEV)
	$(PY) -m pytest -q -n $(JOBS) --dist loadfile -m "not slow" $(ARGS)

# The same tests, without the slow ones, on every other Python found here.
other-pythons: $(DEV)
	@for python in $$($(PY) tools/pythons.py --except $(PY)); do \
		version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "== Python $$version"; \
		$(MAKE) --no-print-directory quick-other PYTHON=$$python VENV=.venv-$$version; \
	done

.PHONY: quick-other
quick-other: $(VENV)/.installed-test
	$(PY) -m pytest -q -n $(JOBS) --dist loadfile -m "not slow and not interop and not browser" $(ARGS)

peers: .venv-canaille/.installed tests/interop/node/node_modules/.package-lock.json

bench: $(DEV)
	$(PY) benchmarks/run.py

bench-quick: $(DEV)
	$(PY) benchmarks/run.py --quick

# A million sessions in a Redis of our own: ten minutes and 5 GB. Renews the tables of docs/scaling.md; then the long tests of the same rows.
bench-scale: $(DEV)
	$(PY) benchmarks/scale.py
	SCALE=1 $(PY) -m pytest -q -n 0 tests/catalogue/test_f_pr_scale*.py

# Where the time of a request goes: flame-hit.svg and others, here.
.PHONY: profile
profile: $(DEV)
	$(PY) benchmarks/flame.py $(ARGS)

fuzz: $(DEV)
	$(PY) -m pytest -q -n $(JOBS) -m hypothesis --hypothesis-profile=fuzz $(ARGS)

.PHONY: refresh-soak
refresh-soak: $(DEV)
	REFRESH_ROUNDS=$(or $(ROUNDS),10000) $(PY) -m pytest -q -s tests/interop/test_refresh_workers.py $(ARGS)

# Every effect of every flow disturbed in every way, in every place where sessions can be.
.PHONY: faultpoints
faultpoints: $(DEV)
	FAULTPOINTS=all $(PY) -m pytest -q -n $(JOBS) tests/catalogue/test_f_pr_faultpoints.py $(ARGS)

soak: $(DEV)
	SOAK=1 $(PY) -m pytest -q -n $(JOBS) --dist loadfile -m soak $(ARGS)

docs: $(DEV)
	$(PY) tools/catalogue_matrix.py
	$(PY) tools/benchmark_page.py

clean:
	rm -rf .venv .venv-* benchmarks/.peers build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# -- environments: a stamp says what is installed -----------------------------------------------------------------------------------------

$(PY):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; say where with PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

define install
$(PY) -m pip install $(PIP_FLAGS) hatchling editables
$(PY) -m pip install $(PIP_FLAGS) --no-build-isolation --editable '.[$(1)]'
@touch $@
endef

$(DEMO): pyproject.toml $(PINS) | $(PY)
	$(call install,examples)

$(DEV): pyproject.toml $(PINS) | $(PY)
	$(call install,dev)
	@touch $(DEMO)

$(VENV)/.installed-test: pyproject.toml $(PINS) | $(PY)
	$(call install,test)

# Programs that are not ours. Canaille's distribution brings a package named "tests", so it gets an environment of its own.
.venv-canaille/.installed: tests/interop/canaille.txt constraints/canaille.txt
	$(PYTHON) -m venv .venv-canaille
	.venv-canaille/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r tests/interop/canaille.txt -c constraints/canaille.txt
	@touch $@

tests/interop/node/node_modules/.package-lock.json: tests/interop/node/package.json tests/interop/node/package-lock.json
	cd tests/interop/node && npm ci --no-audit --no-fund --loglevel=error
	@touch $@
