# make demo   compare the shipped networks on the shipped images; writes reports/demo/index.html
# make reproduce   every experiment of the paper on the shipped networks; writes
#             reports/reproduce/index.html
# make serve  a Prefect server with its UI at http://127.0.0.1:4200, and a worker; Ctrl-C ends them
# make test   formatting, types, layering, prose, and all tests
# make test-fast   tests of the science and the steps alone, for the inner loop
# make test-slow   what takes minutes beside: the paper's own models, untrained, end to end
# make docs   docs/study.md and docs/datasets.md, made from the code that reads and stores them
# make docs-site   the documents with an API reference as a site: site/index.html
# make gallery   docs/gallery.md, made from the reports of make demo and seelike anatomy
# make bench  speed, memory and error beside other packages; writes docs/benchmarks.md (45 minutes)

PYTHON ?= python3
BIN := .venv/bin

.PHONY: docs docs-site gallery demo reproduce serve test test-fast test-slow check bench install clean

demo: install
	$(BIN)/seelike compare studies/demo.yaml

reproduce: install
	$(BIN)/seelike reproduce studies/reproduce.yaml

serve: install
	$(BIN)/seelike serve

test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: install
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not integration"

test-slow: install
	$(BIN)/python -m pytest -m slow

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.documents.prose

docs: install
	$(BIN)/python -m seelike.flows.study.reference_page > docs/study.md
	$(BIN)/python -m seelike.storage.arrays.variables.page > docs/datasets.md

docs-site: install
	$(BIN)/mkdocs build --strict

gallery: install demo
	$(BIN)/seelike anatomy studies/anatomy.yaml
	$(BIN)/python -m benchmarks.gallery reports/demo reports/zoo-inside/anatomy

bench: install
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev,bench]'
	$(BIN)/python -m benchmarks

install: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "seelike needs Python 3.11 or newer, this is " + sys.version)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv store reports
