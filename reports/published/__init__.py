"""Results that are committed with the project, a folder per matrix and version.

NAME/results.zip       as ``clipdefense export-results`` wrote it
NAME/leaderboard.csv   as ``clipdefense report`` wrote it, so that a change of ranks or means is seen
"""

from __future__ import annotations

from pathlib import Path

from benchmark.errors import UserError, did_you_mean

FOLDER = Path(__file__).parent


def published() -> dict[str, Path]:
    """Exported runs by name, such as "quick-3-v1"."""
    return {path.parent.name: path for path in sorted(FOLDER.glob("*/results.zip"))}


def published_file(name: str) -> Path:
    """The exported run of that name.

    Raises:
        UserError: there is none.
    """
    known = published()
    if name not in known:
        raise UserError(f"no published results named '{name}'; {did_you_mean(name, known)}")
    return known[name]
