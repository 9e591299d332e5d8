# Everything a developer types. `make help` lists it; `make run` is all a newcomer needs.

MAKEFLAGS += --no-print-directory
SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV   := .venv
PYTHON_BIN := $(VENV)/bin/python
STAMP  := $(VENV)/.bootstrapped
STAGES := $(PYTHON_BIN) -m libs.toolchain.stages

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

LOCKS  := pyproject.toml requirements/uv.txt requirements/dev.txt requirements/node.txt

.PHONY: help bootstrap run dev test lint types unit integration model e2e soak frontend \
        protos openapi bench fmt lock coverage clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' Makefile

$(STAMP): $(LOCKS)
	@python=$$(libs/toolchain/find_python.sh) && "$$python" -m libs.toolchain.bootstrap

bootstrap: $(STAMP) ## Install all that the other targets need (they see to it themselves)
	@$(PYTHON_BIN) -m libs.toolchain.node

run: $(STAMP) ## Start VentureBots in the foreground and print its address
	@$(PYTHON_BIN) -m libs.toolchain.page && exec $(PYTHON_BIN) -m libs.supervisor

dev: $(STAMP) ## The same, restarted on change, the page served by Vite
	@$(PYTHON_BIN) -m libs.toolchain.node && exec $(PYTHON_BIN) -m libs.supervisor --dev

test: $(STAMP) ## Run every stage and print a table of what ran
	@$(STAGES)

lint: $(STAMP) ## Style, shell scripts, import rules
	@$(STAGES) lint

types: $(STAMP) ## mypy, strict
	@$(STAGES) types

unit: $(STAMP) ## Tests beside the code, of the architecture and of contracts
	@$(STAGES) unit architecture

integration: $(STAMP) ## Tests that start the real services
	@$(STAGES) integration

model: $(STAMP) ## Tests against a real small model, when there is one
	@$(STAGES) model

e2e: $(STAMP) ## Tests in a real browser
	@$(STAGES) e2e

soak: $(STAMP) ## The long form of the crash tests
	@exec $(PYTHON_BIN) -m pytest -m soak --timeout 1800 tests

frontend: $(STAMP) ## Check, test and build the page, and hold it to its size
	@$(STAGES) frontend

protos: $(STAMP) ## Generate code from protos/
	@$(PYTHON_BIN) -m libs.toolchain.protos

openapi: $(STAMP) ## Generate the API's description and the page's types
	@$(PYTHON_BIN) -m libs.toolchain.openapi

bench: $(STAMP) ## Measure the product against its own floor
	@exec $(PYTHON_BIN) -m benchmarks --gate

fmt: $(STAMP) ## Format the code
	@ruff check --quiet --fix . ; ruff format --quiet .
	@cd protos && buf format --write

lock: $(STAMP) ## Pin the dependencies anew (UPGRADE=1 lets versions move)
	@$(PYTHON_BIN) -m libs.toolchain.lock $(if $(UPGRADE),--upgrade)

coverage: $(STAMP) ## The unit tests once more, with the lines they miss
	@coverage run -m pytest -q libs services && coverage combine -q && coverage report

clean: ## Remove what the other targets made (conversations in var/ stay)
	@rm -rf $(VENV) frontend/node_modules frontend/tools/codegen/node_modules frontend/dist \
	  var/stages .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	@find libs services tests protos -name __pycache__ -type d -prune -exec rm -rf {} +
