# The index of chores. `make leaderboard` and `make test` need only Python >= 3.11 and a package index.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
MATRIX ?= quick

.PHONY: leaderboard figures docs test check bench clean
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

bench: $(VENV)/.installed  ## speed against the bare model; prints ratios
	$(BIN)/pytest -o addopts="--import-mode=importlib -q" tests/bench --benchmark-only --benchmark-columns=min,median,rounds -p no:xdist

clean:
	rm -rf $(VENV) runs
