# Two commands matter: `make apply` and `make test`. Both do their own set-up the first time.
CLUSTER  ?= examples/quickstart/cluster.yaml
PROVIDER ?= local
# APPROVE=yes answers apply's and destroy's question.
APPROVE  ?=

VENV     := .venv
ANYWHERE := $(VENV)/bin/anywhere
YES      := $(if $(filter yes,$(APPROVE)),--yes)

.PHONY: setup setup-test validate render plan apply destroy status doctor offline test lint e2e bench clean

setup: $(VENV)/ready

# Made again when what is installed changes.
$(VENV)/ready: pyproject.toml $(wildcard setup/*)
	./setup/packages
	./setup/python $(VENV)
	./setup/terraform $(VENV)/bin
	@touch $@

# What only tests need: checkov, and the schemas of the clouds' Terraform providers (kept in the cache).
setup-test: setup $(VENV)/checkov/ready
	$(VENV)/bin/python -m tests.offline.schemas

$(VENV)/checkov/ready: setup/checkov | $(VENV)/ready
	./setup/checkov $(VENV)
	@touch $@

validate: setup
	@$(ANYWHERE) validate $(CLUSTER)

render plan status doctor: setup
	@$(ANYWHERE) $@ $(CLUSTER) --provider $(PROVIDER)

apply destroy: setup
	@$(ANYWHERE) $@ $(CLUSTER) --provider $(PROVIDER) $(YES)

# A plan without the cloud, and without the registry where none is reachable. RUN is another command to run so.
offline: setup-test
	@$(VENV)/bin/python -m tests.offline $(or $(RUN),$(ANYWHERE) plan $(CLUSTER) --provider $(PROVIDER))

test: lint setup-test
	$(VENV)/bin/pytest -n auto -m "not e2e"

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	cd modules/node && ../../$(VENV)/bin/mypy --strict --cache-dir=../../.mypy_cache -p agent

e2e: setup
	$(VENV)/bin/pytest -m e2e tests/e2e

bench: setup-test
	$(VENV)/bin/python -m benchmarks
	$(VENV)/bin/python -m benchmarks.clouds
	$(VENV)/bin/python -m benchmarks.boot

clean:
	rm -rf $(VENV)
