# make run    a market maker on the embedded exchange, page on http://127.0.0.1:8080
# make test   every test;  make check   linters and types
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install run check test clients audit bench fuzz sim lifecycles crash soak up down lock clean

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PURE := model core sim
COVERAGE := 95
CCXT := 4.5.90
FUZZ_S ?= 60
ARGS ?=
SEED ?= 1
SEEDS ?= 20
N ?= 100000
FRESH ?= 5

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/.installed ## create .venv with the pinned packages and `mm` in it

.venv/.installed: requirements.lock .venv/.runs
	$(PIP) install --require-hashes --requirement requirements.lock
	@touch $@

.venv/.runs: requirements-run.lock pyproject.toml scripts/create-venv
	@scripts/create-venv "$(PYTHON)" .venv
	$(PIP) install --require-hashes --requirement requirements-run.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

run: .venv/.runs ## the daemon on the embedded exchange; ARGS="--config FILE ..." for more
	$(BIN)/mm run $(ARGS)

check: install ## linters, formatting, types, spelling, packaging metadata
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy mm tests
	$(BIN)/codespell
	$(BIN)/validate-pyproject pyproject.toml

test: install ## every test, and the coverage of the pure packages
	@scripts/system-packages chromium:chromium prometheus:prometheus || \
		echo "the tests that need them, marked browser and prometheus, will be skipped"
	$(BIN)/pytest -n auto --dist worksteal --cov --cov-report= --durations=10 $(ARGS)
	@for package in $(PURE); do \
		$(BIN)/coverage report --skip-covered --include="mm/$$package/*" --fail-under=$(COVERAGE); \
	done

clients: build/ccxt/bin/python ## another public client, ccxt, for `make test` to try on the local exchange

build/ccxt/bin/python:
	@scripts/create-venv "$(PYTHON)" build/ccxt
	build/ccxt/bin/python -m pip --disable-pip-version-check --quiet --retries 1 \
		install ccxt==$(CCXT) || { rm -rf build/ccxt; exit 1; }

audit: ## known vulnerabilities of the pinned packages; asks a network
	scripts/audit-dependencies "$(PYTHON)"

bench: install ## cold start in virtual time, then the cost of a cycle, and of a turn over a minute's journal
	$(BIN)/mm bench cold-start --quick
	$(BIN)/mm bench cycle --quick
	@data=$$(mktemp -d); trap 'rm -rf "$$data"' EXIT; \
	$(BIN)/mm run --port 0 --duration 60 --set daemon.data_dir="$$data" 2>"$$data/log"; \
	$(BIN)/mm bench turn "$$data"/journal/*.mmj

crash: install ## kill -9 the daemon KILLS times (200) at random points, restart it each time
	KILLS=$${KILLS:-200} $(BIN)/pytest -q tests/app/test_crash_matrix.py

soak: install ## SOAK_S seconds (3600) on real sockets with faults, SOAK_DAYS (7) and SOAK_HOURS (24) in virtual time
	$(BIN)/pytest -q -m soak -p no:randomly tests/app/test_soak.py \
		tests/app/test_action_budget.py

fuzz: install build/atheris ## arbitrary bytes to everything that reads them, for FUZZ_S seconds (60)
	PYTHONPATH=build/atheris $(BIN)/python -m tests.adapters.hyperliquid.fuzz -max_total_time=$(FUZZ_S)

build/atheris:
	$(PIP) install --target $@ atheris==3.0.0

lifecycles: install ## N orders (100000) from place to gone, in every interleaving, by seeds from SEED on
	$(BIN)/python -m tests.core.order_fuzz $(N) $(SEED)

sim: install ## SEEDS seeds of the whole system in virtual time, with faults, then FRESH new ones
	$(BIN)/mm sim --seed $(SEED) --seeds $(SEEDS) --fresh $(FRESH)

up: secrets/web_token secrets/grafana_password ## daemon, Prometheus and Grafana in Docker
	docker compose up --build --detach

down: ## stop them; data and secrets stay
	docker compose down

# Readable for the container's user, in a directory that only its owner may enter.
secrets/%:
	@mkdir -p -m 700 secrets
	@$(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(32))' > $@ && chmod 444 $@

lock: ## compile both lock files anew from pyproject.toml
	scripts/compile-locks "$(PYTHON)"

clean: ## remove what the other targets made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* build *.egg-info
