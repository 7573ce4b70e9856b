# Two commands matter: `make apply` and `make test`. Both do their own set-up the first time.
CLUSTER  ?= examples/quickstart/cluster.yaml
# local, aws or gce; left out, the only one that the definition has a section for, else local.
PROVIDER ?=
# APPROVE=yes answers apply's and destroy's question.
APPROVE  ?=
# More options of the verb, split at blanks: make plan ARGS=--json
ARGS     ?=
# `make offline` runs this command instead of a plan.
RUN      ?=
# Of Kubernetes, as v1.37.3: what `make kubernetes` adds the sources of.
VERSION  ?=

# They reach the shell as environment, so that it reads no command out of them, nor does make.
override CLUSTER  := $(value CLUSTER)
override PROVIDER := $(value PROVIDER)
override ARGS     := $(value ARGS)
override APPROVE  := $(value APPROVE)
override VERSION  := $(value VERSION)
export CLUSTER PROVIDER ARGS VERSION

ifeq ($(CLUSTER),)
$(error CLUSTER is empty. Give the path of a definition, or leave CLUSTER out)
endif

VENV     := .venv
ANYWHERE := $(VENV)/bin/anywhere
YES      := $(if $(filter yes,$(APPROVE)),--yes)
CHOSEN   := $(if $(PROVIDER),--provider "$$PROVIDER")
TARGET   := "$$CLUSTER" $(CHOSEN)
OPTIONS  := $$ARGS

.PHONY: setup setup-test lock kubernetes validate render plan apply destroy status doctor demo offline test lint docs e2e e2e-vm e2e-day2 e2e-all e2e-nested bench bench-day2 mutate clean

setup: $(VENV)/ready

# Made again when what is installed changes.
$(VENV)/ready: pyproject.toml $(wildcard setup/*)
	./setup/packages
	./setup/python $(VENV)
	./setup/terraform $(VENV)/bin
	@touch $@

# What only tests need: checkov, the site's generator, and the schemas of the clouds' Terraform providers (in the cache).
setup-test: setup $(VENV)/checkov/ready $(VENV)/docs/ready
	$(VENV)/bin/python -m tests.offline.schemas

$(VENV)/checkov/ready: setup/checkov setup/checkov.txt | $(VENV)/ready
	./setup/checkov $(VENV)
	@touch $@

$(VENV)/docs/ready: setup/docs setup/docs.txt | $(VENV)/ready
	./setup/docs $(VENV)
	@touch $@

# The site, in site/html; a link or an anchor that leads nowhere fails it.
docs: $(VENV)/docs/ready
	$(VENV)/bin/python setup/pages.py site/pages
	$(VENV)/docs/bin/properdocs build --clean --config-file properdocs.yml
	@echo "Open site/html/index.html, or, to search: python3 -m http.server --directory site/html"

# The newest versions of all Python packages that development uses; review and commit what it writes.
lock: setup
	./setup/lock $(VENV)

# The checked sources of a Kubernetes version, so that it can be built where its release site is not reached.
kubernetes: setup
	@set -f; $(VENV)/bin/python setup/kubernetes.py $$VERSION

validate: setup
	@set -f; $(ANYWHERE) validate "$$CLUSTER" $(OPTIONS)

render plan status doctor: setup
	@set -f; $(ANYWHERE) $@ $(TARGET) $(OPTIONS)

apply destroy: setup
	@set -f; $(ANYWHERE) $@ $(TARGET) $(YES) $(OPTIONS)

# The demo application in a cluster that runs and has a registry; ARGS=--load has it asked all the time.
demo: setup
	@set -f; $(VENV)/bin/python -m examples.demo $(TARGET) $(OPTIONS)

# A plan without a cloud's account, of a copy of the definition. It needs what a plan for real machines needs, and the
# test set-up; where the registry of Terraform providers cannot be reached, stand-ins take their place.
offline: setup-test
	@set -f; $(VENV)/bin/python -m tests.offline $(or $(RUN),--copy "$$CLUSTER" $(ANYWHERE) plan {} $(CHOSEN) $(OPTIONS))

test: lint setup-test
	$(VENV)/bin/pytest -n auto -m "not e2e"

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	cd modules/node && ../../$(VENV)/bin/mypy --strict --cache-dir=../../.mypy_cache -p agent

# Real machines. e2e-all takes longer: more of them, and those of both clouds.
e2e: setup
	$(VENV)/bin/pytest -m "e2e and not extended and not day2 and not vm" tests/e2e

# A virtual machine on weave.
e2e-vm: setup
	$(VENV)/bin/pytest -m "e2e and vm" tests/e2e

# What changes a cluster that runs: upgrades, bad releases, members that come and go. Ends with a table.
e2e-day2: setup
	$(VENV)/bin/pytest -s -m "e2e and day2" tests/e2e

e2e-all: setup
	$(VENV)/bin/pytest -m e2e tests/e2e

# Containers on weave, on Debian's kernel under emulation: for computers whose own kernel lacks what weave needs.
e2e-nested: setup
	$(VENV)/bin/pytest -m e2e tests/nested

# Whether the tests notice a guard that is no longer called. Takes a while, and tests what is committed.
mutate: setup-test
	@set -f; $(VENV)/bin/python -m tests.mutation $(OPTIONS)

bench: setup-test
	$(VENV)/bin/python -m benchmarks
	$(VENV)/bin/python -m benchmarks.clouds
	$(VENV)/bin/python -m benchmarks.kubeadm
	$(VENV)/bin/python -m benchmarks.boot

# How a release reaches 1,000 workers, on a real control plane of this computer. What a client of a cluster notices
# meanwhile is the table of e2e-day2.
bench-day2: setup
	@set -f; $(VENV)/bin/python -m benchmarks.rollout $(OPTIONS)

clean:
	rm -rf $(VENV)
