"""Makes one HTML file of the data: styles, scripts and the plotting library inside, nothing fetched."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from benchmark.runs import write_atomically
from reports.boards import Board
from reports.detection import DetectionBoard
from reports.frames import Frames
from reports.page.cells import WEAK, states
from reports.page.data import SECTIONS, Source, page_data
from reports.tables.holes import counts
from reports.tables.layout import LEGEND

_FIRST = ("base", "theme", "tip", "table", "choices", "look", "chart")
"""Scripts that the sections' own scripts build on."""


def write_page(frames: Frames, boards: Sequence[Board], folder: Path, detected: Sequence[DetectionBoard] = ()) -> Path:
    """Writes ``leaderboard.html`` into the folder."""
    path = folder / "leaderboard.html"
    write_atomically(path, render(Source(frames, boards, detected)).encode())
    return path


def render(source: Source) -> str:
    """The page. Names from plugins and files enter as text that jinja2 escapes, or as JSON that no markup ends."""
    script, plotly = _script(), _plotly()
    return (
        _environment()
        .get_template("page.html")
        .render(
            run=source.frames.plan,
            counts=counts(source.frames),
            weak=int((states(source.frames) == WEAK).sum()),
            legend=LEGEND,
            sections=page_data(source),
            style=_asset("page.css"),
            script=script,
            plotly=plotly,
            policy=_policy(_sum(script.encode()), plotly.sum),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment


def _asset(name: str) -> str:
    return files("reports.page").joinpath("assets", name).read_text(encoding="utf-8")


def _script() -> str:
    """All scripts in one function, so that they share their names with each other and with nobody else."""
    parts = [_asset(f"{name}.js") for name in (*_FIRST, *SECTIONS)]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "\n})();\n"


@dataclass(frozen=True)
class _Library:
    """The plotting library as the page carries it: compressed, in base64, with the sum of what will run."""

    packed: str
    sum: str
    version: str


@cache
def _plotly() -> _Library:
    """From the plotly package, which holds no smaller bundle."""
    content = files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
    version = content[:200].decode(errors="ignore").partition("plotly.js v")[2].partition("\n")[0]
    return _Library(base64.b64encode(gzip.compress(content, 9, mtime=0)).decode(), _sum(content), version)


def _sum(script: bytes) -> str:
    return base64.b64encode(hashlib.sha256(script).digest()).decode()


def _policy(*sums: str) -> str:
    """Only the scripts with these sums run, and nothing is fetched, framed or sent."""
    allowed = " ".join(f"'sha256-{value}'" for value in sums)
    rules = ("default-src 'none'", f"script-src {allowed}", "style-src 'unsafe-inline'", "img-src data: blob:")
    return "; ".join((*rules, "base-uri 'none'", "form-action 'none'"))
