"""Does disentanglement survive in small models? Error, and the negation's trade-off, against the size of the model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reports.figures.sheet import Legend, Sheet
from reports.figures.style import GREY
from reports.figures.view import Models
from reports.findings import GRIDS, grids, of_study

_LOOKS: dict[str, dict[str, Any]] = {
    "disentanglement": {"color": "#882255", "marker": "h", "label": "error, trigger alone"},
    "disentanglement_backdoor": {"color": "#44AA99", "marker": "p", "label": "error, victim - benign twin"},
    "disentanglement_victim": {"color": "#332288", "marker": "d", "label": "error, around the victim"},
}


def draw(models: Models) -> tuple[Figure, pd.DataFrame] | None:
    """Above the mean error of a grid, below rates at the blind pick; means over attacks and seeds."""
    errors, rates = _errors(models), _rates(models)
    if errors.empty or errors["model"].nunique() < 2:
        return None
    style, em = models.style, models.style.font / 72
    sheet = Sheet(
        style=style,
        heights=(style.panel_height * 0.75,) * 2,
        columns=1,
        left=4.6 * em,
        top=0.8 * em,
        bottom=3.4 * em,
        gap_y=1.4 * em,
        legend=Legend(list(_handles(models, errors, rates)), style),
    )
    figure, [[upper], [lower]] = sheet.drawn(sharex=True)
    for study, rows in errors.groupby("study"):
        _line(upper, rows, "error", **_LOOKS[str(study)])
    for (defense, source), rows in rates.groupby(["defense", "source"]):
        mark = models.marks.of(str(defense), str(source))
        _line(lower, rows, "success", color=mark.colour, marker=mark.marker)
        _line(lower, rows, "accuracy", color=mark.colour, linestyle="--")
    upper.set(ylabel="Mean error", ylim=(0, None))
    lower.set(ylabel="Rate (%)", ylim=(-4, 104), yticks=[0, 50, 100], xlabel="Parameters of the vision tower")
    upper.tick_params(labelbottom=False)
    _sizes(lower, errors)
    return figure, errors.merge(rates, on=["model", "attack"], how="outer")


def _errors(models: Models) -> pd.DataFrame:
    """Per study, model, attack and seed: the mean of xi over its grid."""
    place = ["model", "attack", "seed", "vision_parameters"]
    frames = []
    for study in GRIDS:
        points = grids(models.findings, study)
        means = points.groupby(place, sort=False)["xi"].mean().rename("error").reset_index()
        frames.append(means.assign(study=study))
    return pd.concat(frames, ignore_index=True)


def _rates(models: Models) -> pd.DataFrame:
    """Per method (nothing, negation), model and attack: success and accuracy in per cent."""
    found = of_study(models.findings, "disentanglement_victim")
    labels = {"none"} | {values["negation"] for values in found["values"] if values}
    rows = models.table[models.table["defense"].isin(labels)]
    sizes = grids(models.findings, GRIDS[0]).groupby("model")["vision_parameters"].first()
    rows = rows[["model", "attack", "method", "defense", "source", "state", "attack_success_rate", "clean_accuracy"]]
    rows = rows.assign(success=100 * rows["attack_success_rate"], accuracy=100 * rows["clean_accuracy"])
    return rows.assign(vision_parameters=rows["model"].map(sizes)).drop(
        columns=["attack_success_rate", "clean_accuracy"]
    )


def _line(axis: Axes, rows: pd.DataFrame, column: str, **look: Any) -> None:
    several = rows.groupby(["attack", "vision_parameters"])[column].mean().unstack("attack")
    for attack in several if several.shape[1] > 1 else ():
        thin: dict[str, Any] = {"linestyle": look.get("linestyle", "-"), "lw": 0.5, "alpha": 0.4}
        axis.plot(several.index, several[attack], color=look["color"], **thin)
    axis.plot(several.index, several.mean(axis=1), clip_on=False, **look)
    axis.spines[["top", "right"]].set_visible(False)


def _sizes(axis: Axes, errors: pd.DataFrame) -> None:
    sizes = sorted(errors["vision_parameters"].unique())
    axis.set_xscale("log")
    axis.set_xlim(sizes[0] / 1.4, sizes[-1] * 1.4)
    axis.xaxis.set_major_locator(FixedLocator(sizes))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda size, place: _short(size)))


def _short(size: float) -> str:
    return f"{size / 1e6:.3g} M" if size >= 1e6 else f"{size / 1e3:.3g} k"


def _handles(models: Models, errors: pd.DataFrame, rates: pd.DataFrame) -> Iterator[Artist]:
    for study in GRIDS:
        if study in set(errors["study"]):
            yield Line2D([], [], **_LOOKS[study])
    for method, defense, source in rates[["method", "defense", "source"]].drop_duplicates().to_numpy():
        mark = models.marks.of(defense, source)
        yield Line2D([], [], color=mark.colour, marker=mark.marker, label="victim" if defense == "none" else method)
    yield Line2D([], [], color=GREY, label="attack success")
    yield Line2D([], [], color=GREY, linestyle="--", label="clean accuracy")
