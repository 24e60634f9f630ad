"""The command line ``clipdefense``; every command imports what it needs when it runs, so that starting is instant."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import typer

from benchmark.cli import (
    cleaning,
    comparing,
    describing,
    drawing,
    exchanging,
    exporting,
    looking,
    running,
    starting,
    storing,
    verifying,
)
from benchmark.errors import ClipdefenseError, UserError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="How much of a backdoor does a defense remove from a CLIP model, and what does it cost in clean ability?",
)
PARTS = (
    running,
    drawing,
    comparing,
    verifying,
    looking,
    describing,
    starting,
    cleaning,
    exchanging,
    exporting,
    storing,
)
for part in PARTS:
    part.register(app)


def main() -> None:
    """Runs the command line; mistakes end in one sentence and exit code 2, failures in one and exit code 1."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    warnings.formatwarning = _note
    try:
        _check_packages()
        app(args=arguments, prog_name="clipdefense")
    except ClipdefenseError as error:
        if debug:
            raise
        _end(str(error), error.exit_code)
    except Exception as error:
        if debug:
            raise
        _end(f"{type(error).__name__}: {error} (run again with --debug for the traceback)", 1)


def _note(message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None) -> str:  # noqa: ARG001
    """Our own warnings are sentences for the user; those of others say where they come from."""
    if category is UserWarning and Path(filename).is_relative_to(Path(__file__).parent.parent):
        return f"{message}\n"
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"


def _end(sentence: str, code: int) -> None:
    from benchmark.console import complain

    complain(sentence)
    sys.exit(code)


def _check_packages() -> None:
    """The four packages must be the ones that belong together, not a stray ``benchmark.py``."""
    from importlib.util import find_spec

    parents = set()
    for name in ("benchmark", "attacks", "defenses", "reports"):
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise UserError(f"package '{name}' is not installed; install clipdefense again")
        parents.add(Path(spec.origin).resolve().parent.parent)
    if len(parents) > 1:
        places = ", ".join(sorted(str(parent) for parent in parents))
        raise UserError(f"the packages of clipdefense come from different folders ({places}); remove the stray one")
