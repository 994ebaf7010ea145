# `make demo` shows it work, `make check` is for every commit, `make test` is everything.

export PIP_CACHE_DIR := $(CURDIR)/.provisioner/pip
# Where it is set, every worker compiles every test again: half of the seconds before the first one runs.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: docs bench-images bench-rollout bench-drift campaign help venv engine packages check test demo demo-down clean-lab clean

help:
	@echo 'make demo       a lab on this machine, a fleet on it, its page'
	@echo 'make demo-down  removes all of that again'
	@echo 'make check      lint, types, floors, fast tests (under a minute)'
	@echo 'make docs       writes docs/spec.md from the schema'
	@echo 'make test       everything, on a real lab'
	@echo 'make bench-images  shipping beside four peers, as a table (root; ROUNDS=3)'
	@echo 'make bench-rollout  rolling updates under load beside Docker Swarm, as a table (ROUNDS=20)'
	@echo 'make bench-drift  looking at hosts beside Ansible, pyinfra and a raw connection, as a table (HOSTS=10,50)'
	@echo 'make campaign   crashes and faults under load, going on where it stopped (MINUTES=9)'
	@echo 'make clean-lab  removes the lab and leaves the engine'
	@echo 'make clean      removes what checks and tests leave in the checkout'

# Stamps, so that a second run installs nothing.
.venv/.runs: pyproject.toml .ci/venv
	@.ci/venv
	@touch $@

.venv/.develops: pyproject.toml .ci/venv
	@.ci/venv dev
	@touch .venv/.runs $@

venv: .venv/.develops

engine:
	@.ci/engine start

check: .venv/.develops
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/pytest -q -m 'not lab and not engine and not seeds and not slow' -n auto --dist worksteal

docs: .venv/.develops
	.venv/bin/python .ci/spec-reference >docs/spec.md.new && mv docs/spec.md.new docs/spec.md

test: .venv/.develops engine packages
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/pytest -q -m 'not lab and not engine' -n auto --dist worksteal
	.venv/bin/pytest -q -m 'lab or engine'

bench-images: .venv/.develops engine packages
	@.venv/bin/python -m tests.bench.images

bench-rollout: .venv/.develops engine packages
	@.venv/bin/python -m tests.bench.rollout

bench-drift: .venv/.develops engine packages
	@.venv/bin/python -m tests.bench.drift

campaign: .venv/.develops engine packages
	@.venv/bin/python -m tests.campaign

packages:
	@.ci/packages

demo: .venv/.runs engine
	@.ci/demo up

demo-down:
	@.ci/demo down

clean-lab: .venv/.runs
	@.venv/bin/provisioner lab down

clean:
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find provisioner tests examples -name __pycache__ -prune -exec rm -rf {} +
