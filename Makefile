# The index of chores. `make leaderboard` and `make test` need only Python >= 3.11 and a package index.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
MATRIX ?= quick
BENCH  := -o addopts="--import-mode=importlib -q" -p no:xdist

.PHONY: leaderboard figures docs test check bench bench-gpu clean
.DEFAULT_GOAL := leaderboard

$(VENV)/.installed: pyproject.toml constraints.txt
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --seed --python $(PYTHON) $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'; \
	fi
	@touch $@

leaderboard: $(VENV)/.installed  ## run a matrix (MATRIX=quick) and print its leaderboard
	$(BIN)/clipdefense run $(MATRIX)
	$(BIN)/clipdefense report $(MATRIX)

figures: $(VENV)/.installed  ## redraw tables and figures of a finished run (MATRIX=quick)
	$(BIN)/clipdefense report $(MATRIX)
	$(BIN)/clipdefense figures $(MATRIX)

docs: $(VENV)/.installed  ## write the catalogue of plugins and the sheet of their triggers anew
	$(BIN)/clipdefense catalogue > docs/catalogue.md
	$(BIN)/clipdefense gallery --out docs/gallery.png

test: $(VENV)/.installed  ## everything the tests cover, at most 10 minutes on 2 cores
	$(BIN)/pytest -n 2 --dist worksteal

check: $(VENV)/.installed  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict benchmark reports
	$(BIN)/lint-imports

bench: $(VENV)/.installed  ## speed on a CPU against the bare model; prints ratios
	$(BIN)/pytest $(BENCH) --benchmark-only --benchmark-columns=min,median,rounds --ignore=tests/bench/test_gpu.py tests/bench

bench-gpu: $(VENV)/.installed  ## the same for ViT-B-32 on an NVIDIA GPU, with the times of the paper's sizes
	$(BIN)/pytest $(BENCH) -rs tests/bench/test_gpu.py

clean:
	rm -rf $(VENV) runs
