# Everything a developer types. `make help` lists it; `make run` is all a newcomer needs.

MAKEFLAGS += --no-print-directory
SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV   := .venv
PYTHON_BIN := $(VENV)/bin/python
STAMP  := $(VENV)/.bootstrapped
STAGES := $(PYTHON_BIN) -m libs.toolchain.stages
GATEWAY := $(PYTHON_BIN) -m libs.supervisor.gateway
DOCKER := $(PYTHON_BIN) -m libs.toolchain.docker
CLUSTER := $(PYTHON_BIN) -m libs.toolchain.cluster

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

COVERED_BY := libs services tests/contract tests/telemetry tests/integration

LOCKS  := pyproject.toml requirements/uv.txt requirements/dev.txt requirements/node.txt

.PHONY: help bootstrap run dev test lint types unit integration telemetry abuse model e2e screenshots soak soak-all mutation frontend \
        testbed-up testbed-down cluster-up cluster-down dev-k8s deploy e2e-k8s images images-test sbom pin-bases protos openapi crds charts data-verify backup restore growth bench profile fmt lock coverage clean

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

telemetry: $(STAMP) ## Logs, metrics and traces of the real services
	@$(STAGES) telemetry

abuse: $(STAMP) ## Generated and hostile traffic against the real services
	@$(STAGES) abuse

model: $(STAMP) ## Tests against a real small model, when there is one
	@$(STAGES) model

e2e: $(STAMP) ## Tests in a real browser
	@$(STAGES) e2e

screenshots: $(STAMP) ## A picture of every state of the page, in var/screenshots
	@$(PYTHON_BIN) -m libs.toolchain.page && exec $(PYTHON_BIN) -m tests.e2e.screenshots

soak: $(STAMP) ## 100 founders for 30 minutes, among kills, stops and cancels (VB_SOAK_MINUTES)
	@exec $(PYTHON_BIN) -m pytest -m soak -s tests/soak

soak-all: $(STAMP) ## That, and crashes and generated traffic many times over: about two hours
	@exec $(PYTHON_BIN) -m pytest -m soak --timeout 1800 -s tests

mutation: $(STAMP) ## Break the core on purpose and count what its tests notice
	@exec $(PYTHON_BIN) -m libs.toolchain.mutation $(TARGETS)

frontend: $(STAMP) ## Check, test and build the page, and hold it to its size
	@$(STAGES) frontend

protos: $(STAMP) ## Generate code from protos/
	@$(PYTHON_BIN) -m libs.toolchain.protos

openapi: $(STAMP) ## Generate the API's description and the page's types
	@$(PYTHON_BIN) -m libs.toolchain.openapi

crds: $(STAMP) ## Generate the CustomResourceDefinitions of charts/venturebots-crds
	@$(PYTHON_BIN) -m libs.toolchain.crds

charts: $(STAMP) ## Generate the schemas and READMEs of charts/ from their values.yaml
	@$(PYTHON_BIN) -m libs.toolchain.charts

data-verify: $(STAMP) ## Check a database, in use or not (DATABASE=… for another than the usual)
	@exec $(GATEWAY) verify $(if $(DATABASE),--database '$(DATABASE)')

backup: $(STAMP) ## Copy the database while it is in use (TO=… names the copy)
	@exec $(GATEWAY) backup $(if $(DATABASE),--database '$(DATABASE)') $(if $(TO),--to '$(TO)')

restore: $(STAMP) ## Put a copy (FROM=…) in the database's place; the gateway must be stopped
	@exec $(GATEWAY) restore $(if $(FROM),--from '$(FROM)') $(if $(DATABASE),--database '$(DATABASE)')

growth: $(STAMP) ## Measure what an operation costs as a database grows (FULL=1: 10 million events)
	@exec $(PYTHON_BIN) -m benchmarks.growth $(if $(FULL),--full)

bench: $(STAMP) ## Measure the product against its own floor
	@exec $(PYTHON_BIN) -m benchmarks --gate

profile: $(STAMP) ## Tell where the product's processor time, memory and bytes go
	@exec $(PYTHON_BIN) -m benchmarks.profile

images: $(STAMP) ## Build the images
	@$(DOCKER) docker compose --file docker-compose.yml --profile cluster build \
	  --build-arg REVISION=$$(git rev-parse --verify --quiet HEAD || echo unknown)

images-test: $(STAMP) ## Tests of the images, and of what compose starts from them
	@$(STAGES) images

sbom: $(STAMP) ## List what is in the images, as CycloneDX, in var/sbom
	@$(PYTHON_BIN) -m libs.toolchain.sbom

pin-bases: $(STAMP) ## Pin the base images to the digests their registry tells
	@$(DOCKER) $(PYTHON_BIN) -m libs.toolchain.pin_bases

testbed-up: $(STAMP) ## Start a Docker engine and a Kubernetes cluster on a bare machine (root)
	@tests/cluster/testbed/testbed up

testbed-down: ## Stop them (PURGE=1 forgets the cluster's state)
	@tests/cluster/testbed/testbed down $(if $(PURGE),--purge)

cluster-up: $(STAMP) ## Start a Kubernetes cluster: kind's, or where it cannot run our own
	@$(CLUSTER) up

cluster-down: $(STAMP) ## Stop it
	@$(CLUSTER) down

dev-k8s: $(STAMP) ## Develop on the cluster: changed files go into running pods
	@exec $(CLUSTER) dev

deploy: $(STAMP) ## Build the images and install them on the cluster (PROFILE=staging)
	@$(CLUSTER) deploy $(PROFILE)

e2e-k8s: $(STAMP) ## All tests on the cluster (TESTS=… names some)
	@exec $(CLUSTER) test $(TESTS)

fmt: $(STAMP) ## Format the code
	@ruff check --quiet --fix . ; ruff format --quiet .
	@cd protos && buf format --write

lock: $(STAMP) ## Pin the dependencies anew (UPGRADE=1 lets versions move)
	@$(PYTHON_BIN) -m libs.toolchain.lock $(if $(UPGRADE),--upgrade)

coverage: $(STAMP) ## The tests once more, with the lines they miss (but those in a browser)
	@coverage erase; coverage run -m pytest -q --timeout 400 $(COVERED_BY); tests=$$?; \
	  coverage combine -q && coverage report && exit $$tests

clean: ## Remove what the other targets made (conversations in var/ stay)
	@rm -rf $(VENV) frontend/node_modules frontend/tools/codegen/node_modules frontend/dist \
	  var/stages .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	@find libs services tests protos -name __pycache__ -type d -prune -exec rm -rf {} +
