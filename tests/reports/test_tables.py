"""The same boards in every markup, holes included."""

import re
import shutil
import subprocess

import pandas as pd
import pytest

from reports.api import write_report
from reports.boards import boards
from reports.frames import read
from reports.tables import latex, markdown
from reports.tables.entries import duration, interval, number, percent, span
from reports.tables.files import write_tables


@pytest.fixture(scope="module")
def report(mixed):
    return write_report(mixed)


@pytest.fixture(scope="module")
def written(report, mixed):
    return {path.name: path.read_text() for path in report.files if path.suffix in (".md", ".tex", ".csv")}


def test_every_file_is_there(report, mixed):
    expected = {f"leaderboard.{kind}" for kind in ("md", "csv", "tex", "html")} | {"by_attack.csv", "comparisons.csv"}
    expected |= {f"{name}.{kind}" for name in ("tradeoff", "heatmap") for kind in ("pdf", "png", "csv")}
    assert {path.name for path in report.files} == expected
    assert all(path.parent == mixed.report and path.stat().st_size for path in report.files)


def test_the_text_has_a_table_per_board_and_fits_a_terminal(report):
    boards = re.findall(r"^The defender knows: (.*)$", report.text, flags=re.M)
    assert boards[0] == "nothing" and boards[-1] == "training pairs" and len(boards) == 7
    assert report.text.count("none (the victim)") == report.text.count("clean model") == 7
    assert max(map(len, report.text.splitlines())) <= 120


@pytest.mark.parametrize("kind", ["text", "leaderboard.md", "leaderboard.tex"])
def test_holes_are_visible_in_every_table(report, written, kind):
    shown = report.text if kind == "text" else written[kind].replace("\\_", "_")
    assert "147 cells: 144 ok, 1 skipped, 1 failed, 1 missing." in shown
    for sentence in (
        "abl, 1 missing (sig seed 2)",
        "cleanclip, 1 failed (badnets seed 1): the loss is not finite",
        "wise_ft, 1 skipped (blended seed 0): it needs 'trigger', which is not granted",
        "Victims weak, shown but not ranked on: wanet seed 1 (success is below 0.90).",
        "cleanclip (1 failed of 11 cells)",
        "10/11",
    ):
        assert sentence in shown


def test_holes_are_visible_in_the_numbers(written, report):
    rows = pd.read_csv(next(path for path in report.files if path.name == "leaderboard.csv"))
    assert rows.set_index("method").loc["cleanclip", "unranked"] == "1 failed of 11 cells"
    assert rows.set_index("method").loc["cleanclip", ["rank", "success"]].isna().all()
    by_attack = pd.read_csv(next(path for path in report.files if path.name == "by_attack.csv"))
    partial = by_attack[by_attack["state"] == "partial"]
    assert set(zip(partial["method"], partial["attack"], strict=True)) == {
        ("cleanclip", "badnets"),
        ("wise_ft", "blended"),
        ("abl", "sig"),
    }
    assert (partial["seeds_ok"] == 2).all() and (partial["seeds"] == 3).all()


def test_numbers_in_the_csv_are_rates_with_their_knowledge(report):
    rows = pd.read_csv(next(path for path in report.files if path.name == "leaderboard.csv"))
    assert {"model", "dataset", "knowledge", "budget", "rank", "success_low", "success_interval"} <= set(rows.columns)
    ranked = rows[rows["rank"].notna()]
    assert ranked["success"].between(0, 1).all() and not ranked["reference"].any()
    assert rows.loc[rows["reference"], "rank"].isna().all()


def test_markdown_tables_have_as_many_cells_as_headers(written):
    for block in re.findall(r"(?:^\|.*\n)+", written["leaderboard.md"], flags=re.M):
        widths = {len(re.split(r"(?<!\\)\|", line.strip())) for line in block.splitlines()}
        assert len(widths) == 1


def test_the_best_and_whoever_ties_with_it_are_bold(build):
    clean = ("clean_pairs",)
    names = {"none": (), "one_a": clean, "two_b": clean, "three": clean}
    folder = build(
        defenses=names,
        images=400,
        strong={"one_a": 6.0, "three": 0.1},
        copies={"two_b": "one_a"},
        harm=dict.fromkeys(names, 0.0),
    )
    report = write_report(folder)
    files = {path.name: path.read_text() for path in report.files if path.suffix in (".md", ".tex")}
    assert files["leaderboard.tex"].count(r"\textbf{one\_a}") == files["leaderboard.tex"].count(r"\textbf{two\_b}") == 2
    assert r"\textbf{three}" not in files["leaderboard.tex"]
    assert r"**one\_a**" in files["leaderboard.md"] and "**three**" not in files["leaderboard.md"]
    assert re.search(r"\\textbf\{[\d.]+\}\\textsubscript\{\[[\d.]+, [\d.]+\]\}", files["leaderboard.tex"])


def test_latex_escapes_what_latex_would_read():
    assert latex.escaped("a_b & 5% of $x #1 {y} ~ ^ \\ < >") == (
        r"a\_b \& 5\% of \$x \#1 \{y\} \textasciitilde{} \textasciicircum{} "
        r"\textbackslash{} \textless{} \textgreater{}"
    )


def test_latex_reads_no_option_and_no_foreign_letter_into_a_name():
    assert latex.escaped("[x] *") == "{[}x{]} {*}"
    assert latex.escaped("naïve \N{GREEK SMALL LETTER LAMDA}\N{EN DASH}net\x00\t\N{LATIN SMALL LIGATURE FI}") == (
        "naïve U+03BB--net  fi"
    )


def test_markdown_escapes_what_would_break_a_table():
    assert markdown.escaped("a|b_c <d> *e*") == r"a\|b\_c \<d\> \*e\*"


def test_awkward_names_reach_latex_and_markdown_escaped(build):
    name = "odd_name & 100% <x>|{y}"
    folder = build(defenses={"none": (), name: ("clean_pairs",)}, attacks=("a_b",), seeds=(0,), images=100)
    files = {path.name: path for path in write_report(folder).files}
    text = files["leaderboard.tex"].read_text()
    assert r"odd\_name \& 100\% \textless{}x\textgreater{}\textbar{}\{y\}" in text
    assert name not in text and name not in files["leaderboard.md"].read_text()


def test_latex_is_balanced(written):
    text = re.sub(r"(?m)^%.*$", "", written["leaderboard.tex"]).replace(r"\{", "").replace(r"\}", "")
    assert text.count("{") == text.count("}")
    for name in ("table", "tabular", "itemize"):
        assert text.count(f"\\begin{{{name}}}") == text.count(f"\\end{{{name}}}") > 0
    for columns, body in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, flags=re.S):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert {len(re.split(r"(?<!\\)&", line)) for line in rows} == {len(columns)}


def tables_of(folder):
    frames = read(folder)
    write_tables(frames, boards(frames), folder.report)
    return (folder.report / "leaderboard.tex").read_text()


@pytest.fixture
def many_boards(build, multiply, tmp_path):
    """Twenty models with six boards each: more tables than LaTeX holds back at a time."""
    needs = ("clean_pairs", "target", "reference_model", "training_pairs", "trigger")
    defenses = {"none": (), **{f"knows {need}": (need,) for need in needs}}
    small = build(defenses=defenses, attacks=("badnets",), seeds=(0,), images=60, points=2)
    return multiply(small, tmp_path / "many", 20 * len(small.plan().cells))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("run", ["mixed", "hostile", "many_boards"])
def test_latex_compiles(request, run, tmp_path):
    document = (
        "\\documentclass{article}\\usepackage{booktabs,graphicx}\\usepackage[T1]{fontenc}\n"
        f"\\begin{{document}}\n{tables_of(request.getfixturevalue(run))}\n\\end{{document}}\n"
    )
    (tmp_path / "board.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "board.tex"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert found.returncode == 0, found.stdout[-2000:]
    assert (tmp_path / "board.pdf").stat().st_size


def test_a_folder_where_nothing_ran_yet_still_has_a_report(build, tmp_path):
    from benchmark.runs import RunFolder

    empty = RunFolder(tmp_path)
    empty.write_plan(build(attacks=("badnets",), seeds=(0,)).plan())
    report = write_report(empty)
    assert "0 ok" in report.text and "1 missing of 1 cells" in report.text


def test_reading_shows_progress(mixed):
    class Counter:
        total = done = 0

        def task(self, description, total):
            self.total = total
            return self

        def __enter__(self):
            return self.advance

        def __exit__(self, *error):
            return None

        def advance(self, steps):
            self.done += steps

    counter = Counter()
    read(mixed, counter)
    assert counter.done == counter.total == 147


def test_columns_of_held_out_attacks_and_rebound_are_shown_where_they_exist(build, report):
    wide = write_report(build(held_out=("sig",), rebound={"finetune": 0.25}))
    files = {path.name: path.read_text() for path in wide.files if path.suffix in (".md", ".tex")}
    for text in (wide.text, *files.values()):
        assert "held out: those that only score (sig)" in re.sub(r"\s+", " ", text)
    assert re.search(
        r"^\| +Rank \| Defense .*\| +Dev \(%\) \| +Held out \(%\) \| +Worst", files["leaderboard.md"], re.M
    )
    details = files["leaderboard.md"].split("## Details")[1]
    assert re.search(r"finetune\b.* 25\.0 +\|$", details, re.M) and "Rebound (%)" in details
    assert max(map(len, wide.text.splitlines())) <= 132
    assert "Held" not in report.text


def test_entries():
    assert number(None) == number(float("nan")) == percent(None) == "-"
    assert number(-0.01) == "0.0" and number(-1.26) == "-1.3" and percent(0.123) == "12.3"
    assert interval(0.1, 0.25) == "10.0, 25.0" and interval(float("nan"), 0.2) == ""
    assert duration(5.0) == "5.0 s" and duration(600) == "10 min" and duration(7200) == "2.0 h"
    assert span(1.0, 1.0) == "1" and span(1.0, 3.0) == "1 to 3" and span(float("nan"), 1.0) == "-"
