# Every target does the set-up it needs; see the README for what each one is for.
SHELL := /bin/sh
PYTHON := .venv/bin/python
# State of servers, caches and results stays in the project.
export PREFECT_HOME ?= $(CURDIR)/.seqloom/prefect
export PREFECT_SERVER_ANALYTICS_ENABLED ?= false
export DO_NOT_TRACK ?= 1

.PHONY: help setup demo campaign serve gateway deploy check test test-fast doctor clean
help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: .venv/ready ## everything that the commands need, inside this folder: a few minutes, once
	@echo "Ready. Next: make demo, or .venv/bin/seqloom --help; make doctor names what else may be useful."

demo: .venv/ready ## redesign a myoglobin: server, worker, deployment, run, page
	@$(PYTHON) -m deployments.demo

campaign: .venv/ready ## a simulated variant library, from reads to the next round, beside its truth
	@$(PYTHON) -m deployments.campaign

serve: .venv/ready ## Prefect server and worker in the foreground
	@$(PYTHON) -m deployments.serve

gateway: .venv/ready ## runs over HTTP with keys, in front of the running server
	@.venv/bin/seqloom gateway

deploy: .venv/ready ## register all deployments and automations with the running server
	@$(PYTHON) -m deployments.deploy

check: .venv/ready ## format, lint, types, import rules
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

test: .venv/ready ## every test, with real programs and servers
	@sh deployments/setup.sh packages mmseqs2 ncbi-blast+ hhsuite postgresql chromium fastp
	@sh deployments/setup.sh aimock
	$(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadfile

test-fast: .venv/ready ## without Prefect servers and programs
	$(PYTHON) -m pytest -m "not engine and not tool and not llm_server"

doctor: .venv/ready ## what is installed and what is missing
	@.venv/bin/seqloom doctor

clean: ## remove the environment, caches and state, not the results
	rm -rf .venv .seqloom dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.venv/ready: uv.lock pyproject.toml deployments/setup.sh
	@sh deployments/setup.sh python
	@touch $@
