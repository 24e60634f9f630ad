"""Means and intervals of one detector over the victims that it met."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmark.seeds import derive
from benchmark.separation import separation
from reports.matrix import HOLES, OK, PARTIAL, WEAK
from reports.scores import Blocks
from reports.statistics.intervals import CONFIDENCE, percentile_interval, t_interval

Floats = NDArray[np.float64]
Row = dict[str, Any]

METRICS = ("auroc", "auprc", "fpr_at_95_tpr")
BOOTSTRAP = 1000
MEANING = {
    "t": "t-interval on seed means",
    "samples": "bootstrap over the scored samples, nothing is known of the spread over seeds",
    "models": "bootstrap over the models",
    "none": "no interval",
}
_AVERAGED = (*METRICS, "base_rate", "true_positive_rate", "false_positive_rate")


def headline(scored: str, studies: pd.DataFrame) -> Row:
    """What is known of a detector over all accepted victims: metrics with an interval of AUROC, counts, cost."""
    ours = studies[studies["eligible"]].sort_values(["attack", "seed"])
    chosen = pd.concat([ours, studies[studies["victim"] == "benign"]]) if scored == "model" else ours
    row: Row = {"victims": len(ours), "studies": len(chosen), "studies_ok": int((chosen["status"] == "ok").sum())}
    row["seconds"] = studies["seconds"].mean()
    row |= dict.fromkeys((*_AVERAGED, "auroc_low", "auroc_high", "control"), np.nan) | {"interval": "none"}
    if ours.empty or row["studies_ok"] < len(chosen):
        return row
    if scored == "model":
        return row | _over_models(ours, studies[studies["victim"] == "benign"])
    blocks = Blocks(tuple(ours["attack"]), tuple(ours["seed"]))
    row |= {name: float(ours[name].to_numpy(dtype=np.float64) @ blocks.weights) for name in _AVERAGED}
    row["control"] = studies.loc[studies["victim"] == "benign", "auroc"].mean()
    kind, limits = _interval(ours, blocks)
    return row | {"interval": kind, "auroc_low": limits[0], "auroc_high": limits[1]}


def attack_rows(scored: str, studies: pd.DataFrame) -> Iterator[Row]:
    """The same for every attack by itself, over its accepted victims, or over its weak ones where it has no others."""
    benign = studies[studies["victim"] == "benign"]
    for attack, group in studies[studies["victim"] == "poisoned"].groupby("attack", sort=True):
        weak = not group["eligible"].any()
        counted = group if weak else group[group["eligible"]]
        ok = counted[counted["status"] == "ok"]
        row: Row = {"attack": attack, "studies": len(counted), "studies_ok": len(ok), "state": _state(counted, weak)}
        if scored == "model":
            row |= separation(_scores(ok), _scores(benign))
        elif len(ok):
            row |= {name: ok[name].mean() for name in _AVERAGED}
        yield dict.fromkeys(_AVERAGED, np.nan) | row


def _state(counted: pd.DataFrame, weak: bool) -> str:
    statuses = counted["status"]
    if (statuses == "ok").all():
        return WEAK if weak else OK
    if (statuses == "ok").any():
        return WEAK if weak else PARTIAL
    return next((name for name in HOLES if (statuses == name).any()), "missing")


def _scores(studies: pd.DataFrame) -> Floats:
    return studies["score"].dropna().to_numpy(dtype=np.float64)


def _over_models(poisoned: pd.DataFrame, benign: pd.DataFrame) -> Row:
    """The mean over attacks of how well its models are told from all benign ones."""
    found = [separation(_scores(group), _scores(benign)) for _, group in poisoned.groupby("attack")]
    row: Row = {name: float(np.mean([one[name] for one in found])) for name in METRICS}
    row["base_rate"] = len(poisoned) / (len(poisoned) + len(benign))
    if min(len(poisoned), len(benign)) < 2:
        return row
    low, high = percentile_interval(_replicates(_scores(poisoned), _scores(benign), "models").astype(np.float32))
    return row | {"interval": "models", "auroc_low": float(low), "auroc_high": float(high)}


def _interval(ours: pd.DataFrame, blocks: Blocks) -> tuple[str, tuple[float, float]]:
    values = ours["auroc"].to_numpy(dtype=np.float64)
    if blocks.repeats >= 2:
        low, high = np.clip(t_interval(blocks.seed_means(values[None]))[0], 0, 1)
        return "t", (float(low), float(high))
    if any(scores is None or len(scores) < 2 for scores in (*ours["suspicious"], *ours["others"])):
        return "none", (np.nan, np.nan)
    drawn = [
        _replicates(row["suspicious"], row["others"], f"{row['attack']} {row['seed']}")
        for row in ours.to_dict("records")
    ]
    low, high = percentile_interval((blocks.weights @ np.stack(drawn)).astype(np.float32))
    return "samples", (float(low), float(high))


def _auroc(suspicious: Floats, others: Floats, axis: int = -1) -> Floats:
    """The area under the curve from ranks, ties counting half; samples along ``axis``."""
    m, n = suspicious.shape[axis], others.shape[axis]
    ranks = stats.rankdata(np.concatenate([suspicious, others], axis=axis), axis=axis)
    return np.asarray((ranks.take(range(m), axis=axis).sum(axis=axis) - m * (m + 1) / 2) / (m * n))


def _replicates(suspicious: Floats, others: Floats, name: str) -> Floats:
    """AUROC of resampled scores (BOOTSTRAP,), each side resampled by itself."""
    drawn = stats.bootstrap(
        (suspicious, others),
        _auroc,
        n_resamples=BOOTSTRAP,
        batch=100,
        vectorized=True,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(derive("detection bootstrap", name)),
    )
    return np.asarray(drawn.bootstrap_distribution)
