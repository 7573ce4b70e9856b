# Two commands matter: `make apply` and `make test`. Both do their own set-up the first time.
CLUSTER  ?= examples/quickstart/cluster.yaml
PROVIDER ?= local
# APPROVE=yes answers apply's and destroy's question.
APPROVE  ?=

VENV     := .venv
ANYWHERE := $(VENV)/bin/anywhere
YES      := $(if $(filter yes,$(APPROVE)),--yes)

.PHONY: setup validate render plan apply destroy status doctor test lint e2e bench clean

setup: $(VENV)/ready

# Made again when what is installed changes.
$(VENV)/ready: pyproject.toml $(wildcard setup/*)
	./setup/packages
	./setup/python $(VENV)
	./setup/terraform $(VENV)/bin
	@touch $@

validate: setup
	@$(ANYWHERE) validate $(CLUSTER)

render plan status doctor: setup
	@$(ANYWHERE) $@ $(CLUSTER) --provider $(PROVIDER)

apply destroy: setup
	@$(ANYWHERE) $@ $(CLUSTER) --provider $(PROVIDER) $(YES)

test: lint
	$(VENV)/bin/pytest -n auto -m "not e2e"

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	cd modules/node && ../../$(VENV)/bin/mypy --strict --cache-dir=../../.mypy_cache -p agent

e2e: setup
	$(VENV)/bin/pytest -m e2e tests/e2e

bench: setup
	$(VENV)/bin/python -m benchmarks
	$(VENV)/bin/python -m benchmarks.boot

clean:
	rm -rf $(VENV)
