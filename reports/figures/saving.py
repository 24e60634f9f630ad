"""A figure as PDF and PNG with the numbers behind it as CSV, each written atomically."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from benchmark.runs import write_atomically


@dataclass(frozen=True)
class Drawn:
    """A figure under the name of its files."""

    name: str
    figure: Figure
    data: pd.DataFrame


def save(drawn: Drawn, folder: Path) -> tuple[Path, ...]:
    """Writes NAME.pdf, NAME.png and NAME.csv."""
    contents = {"png": png(drawn.figure), "pdf": _pdf(drawn.figure), "csv": drawn.data.to_csv(index=False).encode()}
    for kind, content in contents.items():
        write_atomically(folder / f"{drawn.name}.{kind}", content)
    return tuple(folder / f"{drawn.name}.{kind}" for kind in contents)


def png(figure: Figure) -> bytes:
    """The figure as PNG. The canvas is asked itself, because ``savefig`` draws everything twice."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _pdf(figure: Figure) -> bytes:
    """Without a date, so that the same numbers give the same file."""
    buffer = io.BytesIO()
    FigureCanvasPdf(figure).print_pdf(buffer, metadata={"CreationDate": None})
    return buffer.getvalue()


def file_name(figure: str, alone: bool, *place: str) -> str:
    """The figure's name, with its place (model, data set) where the run holds several."""
    return figure if alone else "-".join([figure, *(re.sub(r"[^\w.]+", "_", part) for part in place)])
