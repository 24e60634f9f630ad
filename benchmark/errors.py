"""Errors that reach a user as one sentence: what is wrong, with which thing, and the remedy."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

_SHOWN = 24


class ClipdefenseError(Exception):
    """A failure with a sentence for the user; the command line prints it and exits with ``exit_code``."""

    exit_code = 1


class UserError(ClipdefenseError):
    """The user's own input is at fault: an unknown name, a wrong type, a missing file."""

    exit_code = 2


class Stopped(ClipdefenseError):
    """The user pressed Ctrl-C."""

    exit_code = 130


class StorageError(ClipdefenseError):
    """A disk is full or read-only; nothing more can be kept, so a run stops here."""


class Diverged(ClipdefenseError):
    """Training or weight arithmetic produced a number that is not finite."""


class ResourceNotDeclared(ClipdefenseError):
    """A plugin reached for a resource that it did not declare in ``needs``."""


@contextmanager
def blaming(who: str) -> Iterator[None]:
    """Whatever a plugin raises inside the block becomes a sentence that names it; its exit is a failure like others.

    Args:
        who: how the sentence calls the plugin, such as "defense 'pruning'".

    Raises:
        ClipdefenseError: the block raised something that says nothing about the plugin.
    """
    try:
        yield
    except ClipdefenseError:
        raise
    except (Exception, SystemExit) as error:
        kind = type(error).__name__
        if kind in ("MemoryError", "OutOfMemoryError"):
            raise ClipdefenseError(f"{who} ran out of memory; lower the batch size or take a larger device") from error
        raise ClipdefenseError(f"{who} raised {kind}: {error}") from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The tail of an "unknown name" sentence: the nearest known name, or all of them where they are few."""
    choices = sorted(known)
    near = get_close_matches(name, choices, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    some = ", ".join(choices[:_SHOWN]) + (f" and {len(choices) - _SHOWN} more" if len(choices) > _SHOWN else "")
    return f"known: {some}" if choices else "none is installed"
