# The only entry point; CI calls the same targets. `make help` lists them.
#
# A bare machine needs make, Python 3.10 to 3.13 and its pip or venv. 3.11 serves best: tflite-runtime, that many boards run, was never
# built for a newer one. All else goes into .venv and into the user's cache folder (`edge-toolkit doctor` shows where).

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test slow test-all check style unit format bench outcomes mutants sample wheel lock clean

# What the shell says about another Python must not reach in; without bytecode, importing tensorflow takes 14 s instead of 4.
unexport PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH VIRTUAL_ENV CONDA_PREFIX

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
KERAS2 := $(VENV)/keras2
KERAS2_READY = $(if $(EDGE_TOOLKIT_KERAS2),,$(KERAS2)/ready)
SERVES := import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))
# Files of tests are shared out among processes, one for each core, in the order of pyproject.toml; where engines run, each process may take some
# gigabytes. PARALLEL= runs all in one.
PARALLEL := --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
TESTS = -m pytest $(PARALLEL)
LIGHT = $(TESTS) --quiet tests/attacks tests/unit -m
PYTHON = $(shell for each in python3.11 python3.10 python3 python3.12 python3.13; do \
	$$each -c '$(SERVES)' 2>/dev/null && echo $$each && break; done)
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.10 \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE)

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: $(READY) ## set up, then run the main job on the sample: three targets, a bundle and a verdict for each, in dist/
	$(BIN)/edge-toolkit build toolkit/sample/digits --target host --target raspberry-pi-4 --target android-arm64 \
		--calibration calibration/digits.toml --out dist

test: $(READY) $(KERAS2_READY) ## set up, then run the tests; `slow` has the rest
	$(BIN)/edge-toolkit setup $(ENVIRONMENTS)
	$(BIN)/python $(TESTS) -m "not slow"

slow: $(READY) $(KERAS2_READY) ## set up, then run what `test` leaves out: whole builds of many networks, again and again, or killed
	$(BIN)/edge-toolkit setup $(ENVIRONMENTS)
	$(BIN)/python $(TESTS) -m slow

test-all: test slow ## all tests

check: style ## formatting, lint, types, unit and attack tests: what pre-commit runs, in minutes
	$(BIN)/python $(LIGHT) "not engines and not slow"

style: $(READY) ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: $(READY) ## the unit and attack tests on another Python: make unit OTHER=/path/to/python3.13
	@test -n "$(OTHER)" || { echo "make unit: on which Python? make unit OTHER=/path/to/python3.13"; exit 1; }
	@$(BIN)/uv venv --quiet --clear --no-project --python "$(OTHER)" $(VENV)/other
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(VENV)/other requirements/dev.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(VENV)/other --editable .
	$(VENV)/other/bin/python $(LIGHT) "not engines and not slow and not once"

format: $(READY) ## put the code into the form that `check` expects
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## measure builds, calibration, experiments, verification and what workers, boards, pages add; fails where a limit is missed (JSON=all.json: write all.bench.json ...)
	$(BIN)/edge-toolkit setup tensorflow litert tflite_runtime litert_quantizer onnxruntime qemu
	@missed=0; for each in bench calibration experiments verification targets overheads boards pages; do \
		$(BIN)/python tests/bench/$$each.py $(if $(JSON),--json $(basename $(JSON)).$$each.json) || missed=1; done; exit $$missed

outcomes: $(READY) ## build real networks (../shared/models) and the sample for every target, and write docs/outcomes.md (ONLY='--target host --network digits': a part)
	$(BIN)/edge-toolkit setup $(ENVIRONMENTS)
	$(BIN)/python tests/outcomes/outcomes.py $(ONLY)

mutants: $(READY) ## put small faults into the code that judges, one by one, and list those that no test notices (ONLY='toolkit.verdict.verdict*': of one module); slow
	@$(BIN)/uv venv --quiet --allow-existing --no-project --python $(BIN)/python $(VENV)/mutants
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(VENV)/mutants requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(VENV)/mutants --constraint requirements/dev.txt --group mutants
	$(VENV)/mutants/bin/python tests/mutants.py $(if $(ONLY),'$(ONLY)')

sample: $(READY) ## train the embedded sample again: toolkit/sample/digits and calibration/digits.npz
	@$(BIN)/uv venv --quiet --allow-existing --no-project --python $(BIN)/python $(VENV)/sample
	@echo "installing TensorFlow and scikit-learn into $(VENV)/sample"
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(VENV)/sample requirements/sample.txt
	$(VENV)/sample/bin/python toolkit/sample/train.py

wheel: $(READY) ## build the wheel and the source distribution, in build/
	$(BIN)/uv build --no-build-isolation --python $(BIN)/python --out-dir build

lock: $(READY) ## pin the requirements again (UPGRADE=--upgrade: at their newest); the engines' are in toolkit/environments
	$(COMPILE) pyproject.toml --group dev --output-file requirements/dev.txt
	echo uv | $(COMPILE) --constraint requirements/dev.txt --output-file requirements/uv.txt -
	$(COMPILE) --constraint toolkit/environments/tensorflow.txt --output-file requirements/sample.txt requirements/sample.in
	$(COMPILE) --output-file requirements/keras2.txt requirements/keras2.in

clean: ## remove what was made here; the engines' environments stay: `edge-toolkit cache`
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache

# pip brings uv, uv brings the rest: all of it pinned by hash. It works where venv lacks ensurepip (Debian) and where pip is missing.
$(READY): pyproject.toml requirements/dev.txt requirements/uv.txt
	@rm -f $@
	@$(BIN)/python -c '$(SERVES)' 2>/dev/null && $(BIN)/uv --version >/dev/null 2>&1 || { \
		test -n "$(PYTHON)" || { echo "make: no Python 3.10 to 3.13 here; install python3.11, or say make PYTHON=/path/to/python"; exit 1; }; \
		echo "setting up $(VENV) with $$($(PYTHON) --version)"; \
		if $(PYTHON) -m pip --version >/dev/null 2>&1; \
		then $(PYTHON) -m venv --clear --without-pip $(VENV) && pip=$(PYTHON); \
		else $(PYTHON) -m venv --clear $(VENV) && pip=$(BIN)/python; fi && \
		PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore $$pip -m pip install --quiet --no-deps --require-hashes --only-binary :all: \
			--target $(VENV)/first --requirement requirements/uv.txt && \
		mv $(VENV)/first/bin/uv $(BIN)/uv && rm -rf $(VENV)/first || { \
		echo "make: uv could not be installed; pip (or venv with ensurepip) and a package index are needed: apt-get install python3-pip"; exit 1; }; }
	@echo "installing the toolkit and what its tests need into $(VENV)"
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements/dev.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

# Another TensorFlow, in which tests have models built; EDGE_TOOLKIT_KERAS2=/path/to/python names one that is there. No Python is fetched for it.
$(KERAS2)/ready: requirements/keras2.txt | $(READY)
	@rm -f $@
	@if test "$$(uname -m)" != x86_64; then echo "NOT TESTED: models of TensorFlow 2.15, which has no wheels for $$(uname -m)"; \
	elif ! python=$$($(BIN)/uv python find --quiet --system --no-project --no-python-downloads '>=3.10,<3.12' 2>/dev/null); then \
		echo "NOT TESTED: models of TensorFlow 2.15: no Python 3.10 or 3.11 on this machine"; \
	else \
		echo "installing TensorFlow 2.15 into $(KERAS2), for tests" && \
		$(BIN)/uv venv --quiet --clear --no-project --python "$$python" $(KERAS2) && \
		$(BIN)/uv pip sync --quiet --require-hashes --only-binary :all: --python $(KERAS2) requirements/keras2.txt && touch $@; \
	fi
