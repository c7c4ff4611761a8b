# Two targets matter: `make demo` (set-up and the main job) and `make test` (what CI runs).
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM := false
export HF_HUB_OFFLINE := 1

.PHONY: help demo demo-endpoint test browser lint types quick slow cuda clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# torch is bounded in every install line: without the bound, pip takes gigabytes of CUDA.
$(BIN)/.ready: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "torch>=2.11,<2.14"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . "torch>=2.11,<2.14"
	touch $@

# What only developers need.
$(BIN)/.dev: $(BIN)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]" "torch>=2.11,<2.14"
	touch $@

# Kernels are compiled once, by one process, before many want them (first time: about a minute).
$(BIN)/.compiled: $(BIN)/.ready $(wildcard worlds/voxel/*.py)
	$(BIN)/python retort.py play voxel/goal_name --frames $(VENV)/frames --commands "turn left 90;forward 2" >/dev/null
	touch $@

demo: $(BIN)/.ready $(BIN)/.compiled  ## set up, then distil the teacher team into the student and write the report
	$(BIN)/python retort.py doctor
	$(BIN)/python retort.py train configs/demo.yaml

# The same run with the teacher asked over HTTP: a local endpoint is started for it, and ended after it.
demo-endpoint: $(BIN)/.ready $(BIN)/.compiled  ## the demo with its teacher behind an OpenAI-compatible endpoint
	$(BIN)/python retort.py endpoint & endpoint=$$!; trap "kill $$endpoint" EXIT; \
	$(BIN)/python retort.py endpoint --wait && $(BIN)/python retort.py train configs/demo.yaml name=demo-endpoint teacher.backend=openai

# Types and kernels each keep one core busy for about a minute, and a browser comes by the network: all at the same time.
test: $(BIN)/.dev  ## lint, type-check and run all tests
	$(MAKE) --jobs=3 --output-sync=target lint types $(BIN)/.compiled browser
	$(MAKE) quick slow

# The browser that the tests of the pages drive: Debian's. Elsewhere those tests are skipped, and say so.
browser:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium >/dev/null; } || \
		echo "no chromium: install it to run the tests in a browser, which are skipped now"

lint: $(BIN)/.dev  ## ruff and the import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(BIN)/.dev  ## mypy, strict on our packages
	$(BIN)/mypy

# Bits and tolerances of the tests are a CPU's: a GPU that is there is hidden from them.
quick slow: export CUDA_VISIBLE_DEVICES :=

quick: $(BIN)/.dev $(BIN)/.compiled  ## the quick tests, on two processes
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

# They wait more than they compute: two at a time.
slow: $(BIN)/.dev $(BIN)/.compiled browser  ## the long tests: Ray clusters, DeepSpeed ranks, kills, whole runs, a browser
	$(BIN)/python -m pytest -m slow -n 2 --dist loadfile --timeout=600

cuda: $(BIN)/.dev  ## the learner's tests on a GPU (`make test` hides it)
	$(BIN)/python -m pytest tests/learner/test_learner_cuda.py

clean:  ## forget the environment and the caches (runs/ is yours: it stays)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache *.egg-info
