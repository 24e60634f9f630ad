"""Keeping the store small: what no run refers to any more is removed."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark.runs import RunFolder
from benchmark.store import Store


def prune(store: Store, folders: Iterable[RunFolder], *, dry: bool = False) -> tuple[int, int]:
    """Removes artifacts that no plan in the given run folders refers to.

    Returns:
        How many artifacts and how many bytes were (or, with ``dry``, would be) removed.

    Raises:
        UserError: a plan cannot be read, so that what it refers to is unknown; nothing is removed.
    """
    plans = [folder.plan() for folder in folders]
    needed = [planned.keys for plan in plans for planned in plan.cells]
    needed += [planned.keys for plan in plans for planned in plan.studies]
    kept = {key for keys in needed for key in keys.values()}
    removed = [(kind, key, size) for kind, key, size in store.artifacts() if key not in kept and kind != "started"]
    for kind, key, _ in removed:
        if not dry:
            store.remove(kind, key)
    return len(removed), sum(size for _, _, size in removed)
