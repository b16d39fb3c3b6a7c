# Every target works from a clean clone on a machine with Python 3.11+ and PyPI.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PHOTOS ?=

# One process a core, so one thread each: OpenMP's threads spin while they wait, and with more of them
# than cores FAISS's tests alone take three times the computing.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal
# The tests start many processes; each would compile facebatch anew where Python may keep nothing.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup check test test-full test-cluster demo bench docs clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(STAMP)  ## make the virtual environment and install facebatch into it

# Strict editable installs link the files that existed then, so a new file asks for a new install.
SOURCES := $(shell git ls-files --cached --others --exclude-standard 'facebatch/*.py' 'facebatch/models/cards/*' 'facebatch/report/html/*' 'facebatch/review/*' 'pipelines/*.py' 'schemas/*' 2>/dev/null)
LISTING := $(VENV)/.sources
$(shell mkdir -p $(VENV) && printf '%s\n' $(SOURCES) | cmp -s - $(LISTING) || printf '%s\n' $(SOURCES) > $(LISTING))

$(STAMP): pyproject.toml constraints.txt $(LISTING)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt \
		--config-settings editable_mode=strict --editable '.[dev]'
	$(BIN)/facebatch models fetch recommended || \
		echo 'Not all recommended models are here; facebatch works without them (docs/models.md).'
	@touch $@

check: setup  ## lint, formatting, types, translations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/translations.py

test: setup  ## run the tests, in a few minutes
	$(PYTEST) -m 'not full and not cluster'

test-full: setup  ## run what takes longer: fuzzing, fault sequences, comparisons over many photos
	$(PYTEST) -m 'full or hypothesis' --hypothesis-profile full

test-cluster: setup  ## run a Spark cluster on this machine and break it; needs root, Java and iproute2
	$(BIN)/pip install --quiet --constraint constraints.txt 'pandas>=2.2' 'pyspark>=4.0,<5'
	$(BIN)/pytest -m cluster tests/pipelines/test_spark.py

demo: setup  ## render an album, run the whole pipeline on it, score it against the truth
	$(BIN)/facebatch demo demo

bench: setup  ## print the benchmarks' tables; PHOTOS=FOLDER measures on photos of your own
	$(BIN)/python benchmarks/workers.py $(if $(PHOTOS),--photos "$(PHOTOS)",--rounds 2)
	$(BIN)/python benchmarks/guard.py $(if $(PHOTOS),--photos "$(PHOTOS)",--rounds 2)
	$(BIN)/python benchmarks/unchanged.py --items 10000 --folders 100
	$(BIN)/python benchmarks/engines.py $(if $(PHOTOS),--photos "$(PHOTOS)")
	$(BIN)/python benchmarks/embedders.py --rounds 2
	$(BIN)/python benchmarks/steps.py $(if $(PHOTOS),--photos "$(PHOTOS)",--limit 20 --rounds 2)
	$(BIN)/python benchmarks/overhead.py $(if $(PHOTOS),--photos "$(PHOTOS)",--rounds 2)
	$(BIN)/python benchmarks/memory.py $(if $(PHOTOS),--photos "$(PHOTOS)",--counts 50 500)
	$(BIN)/python benchmarks/compare.py $(if $(PHOTOS),--photos "$(PHOTOS)",--limit 12 --rounds 2 --each-core)
	$(BIN)/python benchmarks/renderer_distances.py
	$(BIN)/python benchmarks/cluster.py --sizes 2000 10000
	$(BIN)/python benchmarks/bursts.py --sizes 2000
	$(BIN)/python benchmarks/nightly.py --faces 20000 --new 200
	$(BIN)/python benchmarks/review.py --faces 20000 --people 1000 --rounds 5
	$(BIN)/python benchmarks/search.py --sizes 1000 100000

docs: setup  ## write the pages that are made from the code, and the site into build/site
	$(BIN)/python docs/build.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:  ## remove what the other targets made
	rm -rf $(VENV) .venv-wheel build dist demo *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
