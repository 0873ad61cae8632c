# Everything sets itself up: each target first builds .venv with what it needs.
# Two stamps in one environment: the demo installs no development tools.
.DEFAULT_GOAL := help
.PHONY: help demo observe test check format clean

BIN := .venv/bin

demo: .venv/.demo ## watch a live migration between embedded servers (KEEP=1: stop at the green light)
	$(BIN)/pgmigrator demo $(if $(KEEP),--keep)

observe: .venv/.demo ## as `make demo KEEP=1`, with Prometheus and Alertmanager beside the daemon
	@command -v prometheus >/dev/null && command -v alertmanager >/dev/null || .ci/tools || command -v prometheus >/dev/null
	PATH="$$PATH:$(CURDIR)/.cache/tools/usr/bin" $(BIN)/pgmigrator demo --observe alerts

test: .venv/.dev ## run every test, those against real servers too (ARGS="-k lease": passed to pytest)
	$(BIN)/pytest $(ARGS)

check: .venv/.dev ## check format, lint, types, layers and unit tests, in under a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy daemon tests dashboards
	$(BIN)/lint-imports
	$(BIN)/pytest tests/unit

format: .venv/.dev ## format the code, and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment and every cache
	rm -rf .venv .cache .servers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.%: pyproject.toml .ci/venv
	@sh .ci/venv $*
