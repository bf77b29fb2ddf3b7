VENV ?= .venv
PY = $(VENV)/bin/python
FAST = tests/unit tests/conformance tests/api tests/cli tests/hostile

.PHONY: check fix test lint types contracts
check: lint types contracts test   ## the one check: format, lint, types, import contracts, fast tests

lint:
	$(VENV)/bin/ruff format --check src tests bench
	$(VENV)/bin/ruff check src tests bench

types:
	$(VENV)/bin/mypy

contracts:
	PYTHONPATH=src $(VENV)/bin/lint-imports

test:
	$(PY) -m pytest -q -m "not slow and not interop" $(FAST)

fix:                               ## repair what can be repaired by itself
	$(VENV)/bin/ruff format src tests bench
	$(VENV)/bin/ruff check --fix src tests bench
