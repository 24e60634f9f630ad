"""Which board a defense is ranked on: what its defender had to know."""

from __future__ import annotations

from collections.abc import Iterable

NOTHING = "nothing"
CLEAN_PAIRS = "clean pairs"

_CLEAN = frozenset({"clean_pairs", "clean_images", "labels"})
_TRIGGER = frozenset({"trigger", "triggered_pairs"})
_ANCESTOR = frozenset({"reference_model", "sibling_models"})
_PRIVILEGES = ("inverted trigger", "target", "clean ancestor", "trigger", "training pairs")


def board_of(knowledge: Iterable[str], source: str) -> str:
    """The name of the board for a set of needs and a trigger source.

    Privileged knowledge adds up: a defense that sees the trigger and the clean ancestor stands on a board of its own,
    beside neither those that see one of the two nor those that see nothing.

    Args:
        knowledge: names from ``benchmark.types.NEEDS``: the defense's needs, with an inverter's own needs in place of
            the trigger that it estimates.
        source: "none", "given" (the attack itself) or the name of an inverter.
    """
    needs = frozenset(knowledge)
    held = set()
    if source not in ("none", "given"):
        held.add("inverted trigger")
    elif needs & _TRIGGER:
        held.add("trigger")
    elif "target" in needs:
        held.add("target")
    if needs & _ANCESTOR:
        held.add("clean ancestor")
    if "training_pairs" in needs:
        held.add("training pairs")
    if not held:
        return CLEAN_PAIRS if needs & _CLEAN else NOTHING
    name = " + ".join(privilege for privilege in _PRIVILEGES if privilege in held)
    return f"{CLEAN_PAIRS}, {name}" if "inverted trigger" in held and needs & _CLEAN else name


def board_order(name: str) -> tuple[int, int, str]:
    """A sort key: from knowing nothing to knowing the training pairs, combinations after their parts."""
    if name in (NOTHING, CLEAN_PAIRS):
        return (0, 0 if name == NOTHING else 1, name)
    parts = name.removeprefix(f"{CLEAN_PAIRS}, ").split(" + ")
    return (len(parts), max(_PRIVILEGES.index(part) for part in parts if part in _PRIVILEGES), name)


def method_name(defense: str, source: str) -> str:
    """The defense's name, with the inverter in parentheses where its trigger was an estimate."""
    return defense if source in ("none", "given") else f"{defense} ({source})"
