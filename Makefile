# Two commands do all the set-up themselves: `make demo` runs the main job, `make test` the tests.
# PYTHON chooses the interpreter (3.11 or later), VENV the virtual environment.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
DEMO = demo-output

# containers often say not to keep compiled bytecode; a test run starts dozens of processes, which would compile it anew
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help demo test laws light lint check benchmark schemas interop interop-lerobot fuzz report-look clean

help: ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(STAMP): pyproject.toml scripts/check_system.py
	$(PYTHON) scripts/check_system.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[sim]' --group dev
	touch $@

demo: $(STAMP) ## ten human Lift demonstrations in, 20 new verified ones out
	$(BIN)/python scripts/demo.py --out $(DEMO)

test: $(STAMP) ## run the tests
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

laws: $(STAMP) ## try every law on twenty times as many examples, and whole real files (ten minutes)
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -n auto --dist worksteal --timeout 3600 $(ARGS)

light: ## run the tests that need no simulator, in an environment without it (NumPy 2)
	$(PYTHON) -m venv $(VENV)-light
	$(VENV)-light/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(VENV)-light/bin/python -m pip install --quiet --editable . --group dev
	$(VENV)-light/bin/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(STAMP) ## ruff and pyright
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

check: lint test ## what CI runs

schemas: $(STAMP) ## print schemas/*.json from the code
	$(BIN)/python scripts/print_schemas.py

benchmark: $(STAMP) ## measure every claim of speed again (two hours)
	$(BIN)/python benchmarks/all.py $(ARGS)

interop: $(STAMP) ## read a generated file with robomimic itself, in an environment of its own
	scripts/interop.sh

interop-lerobot: $(STAMP) ## read what we write with LeRobot itself, in an environment of its own
	scripts/interop_lerobot.sh

fuzz: $(STAMP) ## damage files of every format 2,000 times: only errors of ours may come out
	$(BIN)/python tests/fuzz/fuzz.py $(ARGS)

report-look: $(STAMP) ## open reports in headless Chromium: every plot drawn, no error (not run without a browser)
	$(BIN)/python tests/look/look.py $(ARGS)

clean: ## remove the virtual environment and the demo's output
	rm -rf $(VENV) $(DEMO)
