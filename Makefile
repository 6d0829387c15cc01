# The whole vocabulary: install, install-scale, up, down, demo, replay, test,
#   test-all, check, fmt, lock, bench-quality.
#   PYTHON=python3.12   interpreter of the environment (3.11 to 3.13)
#   OPTIONS='--from-day 2017-11-23 --shoppers 0.1'   of a replay; see docs/pages.md
#   TORCH=cuda          PyTorch with CUDA instead of the CPU build
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help install install-scale up down demo replay test test-all check fmt lock bench-quality

PYTHON ?= python3
TORCH ?= cpu
UV := uv==0.13.9
BIN := .venv/bin
INSTALLED := .venv/installed-$(TORCH)
SCALED := .venv/scaled
TORCH_VERSION := $(shell grep -oE '^torch==[^ ;]+' requirements.lock)
CPU_WHEELS := https://download.pytorch.org/whl/cpu

# The services are a dozen Python processes: compile each module once, not once a process.
unexport PYTHONDONTWRITEBYTECODE
# A package of the same name elsewhere on the path must not stand in for ours.
unexport PYTHONPATH

help:
	@sed -n '1,5s/^# //p' Makefile

install: $(INSTALLED)
	@:

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "expected Python 3.11 to 3.13; found " + sys.version.split()[0] + "; set PYTHON, for example make PYTHON=python3.12 install")'
	@echo "Installing into .venv (about 2 GB)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV)
ifeq ($(TORCH),cuda)
	$(BIN)/python -m pip install --quiet $(TORCH_VERSION)
else
	# Without the extra index (it may be out of reach) pip takes the build that PyPI has.
	$(BIN)/python -m pip install --quiet --no-deps --retries 1 --timeout 30 \
		--extra-index-url $(CPU_WHEELS) $(TORCH_VERSION)
endif
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@rm -f .venv/installed-*
	@touch $@

# Spark and Celery besides (about 600 MB): where one machine is outgrown, and for the tests of that.
install-scale: $(SCALED)
	@:

$(SCALED): $(INSTALLED) requirements-scale.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r requirements-scale.lock
	@touch $@

up: install
	@$(BIN)/python -m services up

down:
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m services down; fi

demo: install
	@$(BIN)/python -m services demo

replay: install
	@$(BIN)/python -m services replay $(OPTIONS)

# Two lanes: what a change is tried with, in minutes, and everything besides.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

test: install
	$(PYTEST) -m "not long"

test-all: install-scale
	$(PYTEST)

# ROWS="beauty search" measures some rows; DATA=folder reads data of the same layout from there.
bench-quality: install
	$(BIN)/python -m benchmarks.quality $(ROWS) $(if $(DATA),--data $(DATA)) \
	    $(if $(PAGE),--page $(PAGE)) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=dags $(BIN)/lint-imports

fmt: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Every platform's pins in one file; PyTorch's CUDA packages come with TORCH=cuda only. Pins that
# still fit stay; make lock UPGRADE=--upgrade looks for newer ones of everything.
lock: install
	pins() { cp $$1.lock $$1.lock.new
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header $(UPGRADE) -o $$1.lock.new "$${@:2}" $$1.in > /dev/null
	  { echo "# Locked from $$1.in $$about"; grep -vE '^(#|nvidia-|cuda-|triton)' $$1.lock.new; } > $$1.lock.made
	  mv $$1.lock.made $$1.lock.new; }
	about="by make lock; universal (Python 3.11 to 3.13). CUDA's own packages are left out: see README, GPU." pins requirements
	about="under requirements.lock by make lock."
	pins requirements-serving -c requirements.lock.new
	pins requirements-scale -c requirements.lock.new
	for name in requirements requirements-serving requirements-scale; do mv $$name.lock.new $$name.lock; done
