# Two commands: `make book` builds the site, `make test` checks everything. `make` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help setup book serve lab test test-lint test-unit test-rules test-notebooks test-fresh \
        test-site test-colab test-oldest execute times stability bench lock release repository screenshots pdf clean

RUN := .venv/bin/python
JUPYTER := .venv/bin/jupyter
PORT ?= 8000
export TF_CPP_MIN_LOG_LEVEL ?= 3
export PYTHONDONTWRITEBYTECODE ?= 1

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## create .venv from requirements.txt (every target does this when it is missing)
	@tools/setup.sh

book: ## build the website; prints where to open it (sets up without TensorFlow)
	@tools/setup.sh site
	@$(RUN) tools/build_book.py

serve: book ## build the website and serve it (PORT=8000)
	@$(RUN) tools/serve_book.py $(PORT)

lab: setup ## open the chapters in JupyterLab
	@$(JUPYTER) lab book

test: test-lint test-unit test-rules test-notebooks test-fresh test-site ## check everything
	@echo "make test: everything passed"

test-lint: setup ## only style: ruff on all code and notebooks, and the workflows' rules
	@echo "make test-lint: style of code and notebooks, rules of workflows"
	@.venv/bin/ruff check --quiet . && .venv/bin/ruff format --quiet --check . || \
		{ echo "Style: '.venv/bin/ruff check --fix .' and '.venv/bin/ruff format .' mend most of it." >&2; exit 1; }
	@.venv/bin/zizmor --offline --quiet --no-progress --pedantic .github
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/?-*.yml

test-unit: setup ## only the package's unit tests, with branch coverage
	@echo "make test-unit: the package, branch coverage at least 95 %"
	@$(RUN) -m pytest -q -p no:nbval -n auto --dist loadfile --no-loadscope-reorder \
		--cov --cov-report=term tests/book/test_nbval.py tests/package tests/tools

test-rules: setup ## only the rules every notebook keeps
	@echo "make test-rules: the rules of a notebook"
	@$(RUN) -m pytest -q tests/book/test_notebooks.py

test-notebooks: setup ## only nbval: run every notebook, compare its outputs (CHAPTER=03 for one)
	@echo "make test-notebooks: run every chapter and compare what it prints"
	@paths=$$($(RUN) tools/execute.py --list $(CHAPTER)) && \
		$(RUN) -m pytest -q -n auto --dist loadfile --nbval $$paths

test-fresh: setup ## only a chapter opened alone, as Colab does it
	@echo "make test-fresh: one chapter alone in an empty folder, in an environment of its own"
	@$(RUN) -m pytest -q tests/book/test_fresh_environment.py

test-site: setup book ## only the site: links, hosts, accessibility, phone width
	@echo "make test-site: links, hosts, accessibility, phone width"
	@$(RUN) -m pytest -q -n auto tests/site

test-colab: setup ## run the book on Colab's versions (CHAPTER=03 for one; not part of make test)
	@$(RUN) tools/other_versions.py colab $(CHAPTER)

test-oldest: setup ## the same on the oldest versions that pyproject.toml allows
	@$(RUN) tools/other_versions.py oldest $(CHAPTER)

execute: setup ## run notebooks from clean kernels and store their outputs (CHAPTER=03 for one)
	@$(RUN) tools/execute.py $(CHAPTER)

times: setup ## measure what the sections of the chapters take (CHAPTER=03 for one)
	@$(RUN) tools/section_times.py $(CHAPTER)

stability: setup ## bands over seeds, threads, oneDNN (CHAPTER=03 for one; TWICE=1: each cell twice)
	@$(RUN) tools/stability.py $(CHAPTER) $(if $(TWICE),--twice)

bench: setup ## ratios to reference libraries; CPU-seconds and memory by chapter
	@$(RUN) benchmarks/bench.py

lock: setup ## compile requirements.txt anew from pyproject.toml
	@.venv/bin/uv pip compile --quiet --upgrade --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" --output-file requirements.txt pyproject.toml >/dev/null
	@echo "make lock: requirements.txt is up to date; the next target installs it"

release: setup ## raise the version of a changed package (VERSION=1.2.3)
	@$(RUN) tools/release.py "$(VERSION)"

repository: setup ## write the repository's address wherever it stands (URL=https://...)
	@$(RUN) tools/repository.py "$(URL)"

screenshots: setup ## pictures of the built pages, wide and narrow, light and dark (OUT=folder)
	@$(RUN) tools/screenshots.py "$(or $(OUT),_build/screenshots)"

pdf: book ## print the whole course into one PDF (needs Chromium)
	@$(RUN) tools/make_pdf.py

clean: ## remove the environment and everything built
	@rm -rf .venv .setup.lock _build .pytest_cache .ruff_cache .coverage*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "make clean: removed .venv and everything built"
