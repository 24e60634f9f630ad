"""Easy data augmentation of captions (EDA, arXiv 1901.11196), offline: a small synonym table stands for WordNet."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

_SYNONYM_GROUPS = """
big large huge; small little tiny; old aged ancient; young youthful; new fresh recent; nice pleasant lovely;
beautiful pretty gorgeous; ugly unsightly; fast quick rapid; slow sluggish; happy glad cheerful; sad unhappy gloomy;
dark dim shadowy; bright vivid brilliant; clean spotless tidy; dirty grimy filthy; cold chilly icy; hot warm heated;
tall high lofty; short low brief; wide broad; narrow thin slim; thick dense; empty vacant bare; full packed crowded;
red crimson scarlet; blue azure navy; green emerald olive; yellow golden amber; purple violet lilac;
orange tangerine; brown tan chestnut; pink rose; white ivory pale; black ebony inky; gray grey silver;
photo photograph; picture image; drawing sketch; painting artwork; background backdrop; striped banded;
checkered chequered; dotted spotted; plain simple; solid uniform; man gentleman guy; woman lady; boy lad; girl lass;
child kid youngster; baby infant toddler; person individual human; people folks persons; friend companion pal;
house home dwelling; building structure edifice; street road avenue; city town metropolis; car automobile vehicle;
truck lorry; bicycle bike cycle; plane airplane aircraft; boat ship vessel; train railway locomotive; dog hound canine;
cat feline kitty; horse pony steed; bird fowl; cow cattle; sheep lamb; fish seafood; tree plant; flower blossom bloom;
grass lawn turf; forest woods woodland; mountain hill peak; river stream creek; lake pond; sea ocean; beach shore coast;
sky heavens; sun sunshine; rain shower; snow snowfall; wind breeze; rock stone boulder; field meadow pasture;
food meal dish; bread loaf; cake pastry; drink beverage; cup mug; bottle flask; plate platter; table desk;
chair seat stool; couch sofa settee; bed bunk; lamp light; door entrance doorway; window pane; wall barrier;
floor ground; room chamber; kitchen galley; bathroom restroom washroom; shop store market; phone telephone;
computer laptop; book volume; bag sack purse; hat cap; shirt blouse top; coat jacket; shoe boot; dress gown;
game match; ball sphere; team squad crew; player athlete; crowd throng mob; party celebration; gift present;
toy plaything; music melody tune; job work task; money cash; part piece portion; group bunch cluster; pair couple duo;
side edge border; front fore; rear back; middle center centre; view scene sight; style fashion; design pattern
"""
SYNONYMS: dict[str, tuple[str, ...]] = {
    word: tuple(other for other in group.split() if other != word)
    for group in _SYNONYM_GROUPS.split(";")
    for word in group.split()
}
_STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "for",
        "from",
        "has",
        "in",
        "is",
        "it",
        "its",
        "of",
        "on",
        "or",
        "over",
        "that",
        "the",
        "there",
        "this",
        "to",
        "under",
        "was",
        "were",
        "with",
    ]
)
_Edit = Callable[[list[str], int, random.Random], list[str]]


def _content_positions(words: Sequence[str]) -> list[int]:
    return [position for position, word in enumerate(words) if word not in _STOP_WORDS]


def _replace_synonyms(words: list[str], count: int, source: random.Random) -> list[str]:
    known = [position for position in _content_positions(words) if words[position] in SYNONYMS]
    for position in source.sample(known, min(count, len(known))):
        words[position] = source.choice(SYNONYMS[words[position]])
    return words


def _insert(words: list[str], count: int, source: random.Random) -> list[str]:
    for _ in range(count):
        word = words[source.choice(_content_positions(words) or list(range(len(words))))]
        words.insert(source.randrange(len(words) + 1), source.choice(SYNONYMS.get(word, (word,))))
    return words


def _swap(words: list[str], count: int, source: random.Random) -> list[str]:
    for _ in range(count):
        first, second = source.randrange(len(words)), source.randrange(len(words))
        words[first], words[second] = words[second], words[first]
    return words


def _delete(words: list[str], _count: int, source: random.Random, share: float = 0.1) -> list[str]:
    kept = [word for word in words if source.random() > share]
    return kept or [source.choice(words)]


_EDITS: tuple[_Edit, ...] = (_replace_synonyms, _insert, _swap, _delete)


def easy_augmented(caption: str, source: random.Random, share: float = 0.1) -> str:
    """One of synonym replacement, insertion, swap and deletion, drawn uniformly, on the lower-cased caption.

    Args:
        caption: any text; one without letters is returned as it is.
        source: where the draws come from.
        share: the number of edits per word, at least one edit in all.
    """
    words = re.sub(r"[^a-z ]", "", re.sub(r"[-\t\n]", " ", caption.lower())).split()
    if not words:
        return caption
    return " ".join(source.choice(_EDITS)(words, max(1, int(share * len(words))), source))


def augmented_captions(captions: Sequence[str], seed: int) -> tuple[str, ...]:
    """Every caption augmented once, a function of (captions, seed)."""
    source = random.Random(seed)
    return tuple(easy_augmented(caption, source) for caption in captions)
