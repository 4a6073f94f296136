# Hồ Sơ: the commands a developer needs. `make` alone lists them.
# Another stack apart from the usual one: make up HOSO_STACK=mine HOSO_PORT_BASE=28000

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup up down status demo test check rights fuzz bench bench-city minio gen proto pictures clean

PYTHON := .venv/bin/python
LOCAL := $(PYTHON) -m deploy.local
TESTS ?= tests

help: ## list these commands
	@printf 'Hồ Sơ: make <command>\n\n'
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## install what is missing (apt, pip) and make .venv/ with the command hoso
	@deploy/local/setup.sh

up: setup ## start PostgreSQL, RabbitMQ, the object store and every service; wait until all is ready
	@$(LOCAL) up

down: ## stop them; their data stays in .run/
	@if [ -x $(PYTHON) ]; then $(LOCAL) down; else echo 'Nothing to stop: there is no .venv/.'; fi

status: ## show every process: state, restarts, memory
	@$(LOCAL) status

demo: up ## take a real-sized school through the whole line, from marks to verified archive
	@.venv/bin/hoso demo

test: setup ## run all tests against real servers (stack `test`); TESTS=path runs a part
	@$(PYTHON) -m pytest $(TESTS)

check: setup ## all that needs no server: style, types, imports, contract, generated files (deploy/checks.py)
	@$(PYTHON) -m deploy.checks

rights: setup ## write docs/rights.md anew: who may call what, as the services are; read what changed
	@HOSO_WRITE_RIGHTS=1 $(PYTHON) -m pytest tests/integration/rights/test_rights.py

fuzz: setup ## a million wrong requests to every RPC (an hour); FUZZ_ROUNDS=n, FUZZ_SEED=s, FUZZ_FIRST=n
	@FUZZ_ROUNDS=$${FUZZ_ROUNDS:-1000000} $(PYTHON) -m pytest -s --timeout=0 tests/integration/rights/test_fuzzing.py

bench: setup ## measure against bare parts; writes .run/bench/bench.json
	@$(PYTHON) -m bench

bench-city: setup ## the curve of a growing city, and a class read in a whole city's table (half an hour, 30 GB)
	@$(PYTHON) -m bench --city --out .run/bench/city.json

minio: setup ## build the pinned MinIO server into .run/bin/ (about five minutes)
	@deploy/local/minio.sh

gen proto: setup ## regenerate the Python stubs in gen/ from proto/
	@$(PYTHON) -m deploy.generate gen

pictures: ## redraw the documentation's pictures: from the code's imports and from the last demo
	@$(PYTHON) -m deploy.pictures

clean: down ## stop the stack and delete its data, tokens and documents (asks first)
	@$(LOCAL) clean
