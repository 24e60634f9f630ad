"""What leaderboard.html holds, read as a file: every cell and hole, and nothing that a name could turn into markup."""

import base64
import gzip
import hashlib
import importlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from reports.boards import boards
from reports.details import Pool
from reports.detection import DetectionBoard
from reports.figures.style import Marks
from reports.frames import read
from reports.page.charts import SYMBOLS, lightened
from reports.page.data import SECTIONS, Source
from reports.page.packing import rates
from reports.page.render import render

IMAGE = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>alert(2)</script>"


DETECTOR = {
    "detector": "plain",
    "scored": "images",
    "knowledge": "nothing",
    "auroc": 0.9,
    "auroc_low": 0.85,
    "auroc_high": 0.95,
    "auprc": 0.8,
    "base_rate": 0.5,
    "fpr_at_95_tpr": 0.1,
    "true_positive_rate": 0.9,
    "false_positive_rate": 0.05,
    "control": 0.5,
    "studies_ok": 1,
    "studies": 2,
    "seconds": 3.0,
}


class Elements(HTMLParser):
    """All tags with their attributes, and the text inside each script."""

    def __init__(self):
        super().__init__()
        self.tags, self.scripts, self.inside = [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append([dict(attrs), ""])
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "script"

    def handle_data(self, data):
        if self.inside:
            self.scripts[-1][1] += data


def parsed(source):
    page = Elements()
    page.feed(render(source))
    return page


def source_of(folder):
    frames = read(folder)
    return Source(frames, boards(frames))


def data_of(page):
    return {
        attributes["id"].removeprefix("data-"): json.loads(text)
        for attributes, text in page.scripts
        if attributes.get("type") == "application/json"
    }


def texts(coded):
    return [coded["levels"][code] for code in coded["codes"]]


@pytest.fixture(scope="module")
def source(mixed):
    return source_of(mixed)


@pytest.fixture(scope="module")
def page(source):
    return parsed(source)


@pytest.fixture(scope="module")
def data(page):
    return data_of(page)


def rows(data, *names):
    cells = data["cells"]
    columns = [texts(cells[name]) if isinstance(cells[name], dict) else cells[name] for name in names]
    return list(zip(*columns, strict=True))


def test_every_planned_cell_is_a_row_once(mixed, data):
    names = ("model", "dataset", "attack", "defense", "source", "seed", "victim")
    planned = [tuple(getattr(planned.cell, name) for name in names) for planned in mixed.plan().cells]
    shown = rows(data, *names)
    assert shown == planned and len(set(shown)) == 147
    assert data["details"]["key"] == [cell.key for cell in mixed.plan().cells]


def test_holes_and_weak_victims_are_states_without_or_beside_their_numbers(data):
    found = rows(data, "victim", "attack", "method", "seed", "state", "success")
    poisoned = [row for row in found if row[0] == "poisoned"]
    by_cell = {row[1:4]: row[4:] for row in poisoned}
    assert by_cell["badnets", "cleanclip", 1] == ("failed", None)
    assert by_cell["blended", "wise_ft", 0] == ("skipped", None)
    assert by_cell["sig", "abl", 2] == ("missing", None)
    weak = {cell for cell, (state, _) in by_cell.items() if state == "weak victim"}
    assert {cell[::2] for cell in weak} == {("wanet", 1)} and len(weak) == 9
    assert all(by_cell[cell][1] is not None for cell in weak)


def test_a_failed_cell_keeps_its_reason_and_traceback(data):
    details, place = data["details"], rows(data, "state").index(("failed",))
    assert texts(details["texts"]["reason"])[place] == "the loss is not finite"
    assert "FloatingPointError" in details["pool"][details["shared"]["traceback"][place]]
    assert details["points"][place] == []


def test_numbers_are_those_of_the_results(mixed, data):
    cells, details = data["cells"], data["details"]
    measured = [
        place for place, key in enumerate(details["key"]) if (found := mixed.result(key)) and found.status == "ok"
    ]
    for place in measured:
        result = mixed.result(details["key"][place])
        pick = result.picks.blind
        picked = result.victim if pick < 0 else result.points[pick].test
        assert cells["pick"][place] == pick and details["oracle"][place] == result.picks.oracle
        assert cells["success"][place] == round(1e4 * picked.attack_success_rate)
        assert cells["clean"][place] == round(1e4 * picked.clean_accuracy)
        assert cells["loss"][place] == round(1e4 * (result.victim.clean_accuracy - picked.clean_accuracy))
        assert cells["success_images"][place] == result.counts.test_other
        assert cells["success_low"][place] <= cells["success"][place] <= cells["success_high"][place]
        assert len(details["points"][place]) == 1 + len(result.points)
        assert details["points"][place][0][2] == round(1e4 * result.victim.clean_accuracy)
    assert len(measured) == 144 and {pick < 0 for pick in cells["pick"] if pick is not None} == {True, False}


def test_parameters_and_seeds_come_back_whole(mixed, data):
    details, place = data["details"], rows(data, "attack", "defense").index(("sig", "finetune"))
    result = mixed.result(details["key"][place])

    def unpacked(name):
        names, *values = (details["pool"][number] for number in details["packed"][name][place])
        return dict(zip(names, values, strict=True))

    assert unpacked("parameters") == result.resolved
    assert unpacked("seeds") == {name: str(seed) for name, seed in result.provenance.seeds.items()}
    assert unpacked("packages") == result.provenance.packages
    assert unpacked("keys") == result.provenance.keys


def test_what_cells_share_is_kept_once(data):
    pool = data["details"]["pool"]
    assert len({json.dumps(value) for value in pool}) == len(pool)
    assert len(pool) < 3 * len(data["cells"]["seed"])


def test_the_pool_keeps_what_json_or_a_browser_would_lose():
    pool = Pool()
    seen = [pool.add(value) for value in (1, 1.0, True, "1", 2**60, float("nan"), {"a": (1, float("inf"))}, 1)]
    assert seen == [0, 1, 2, 3, 4, 5, 6, 0]
    assert pool.values == [1, 1.0, True, "1", str(2**60), "nan", {"a": [1, "inf"]}]
    assert isinstance(pool.values[2], bool)


def test_boards_are_those_of_the_tables(source, data):
    found = source.boards
    assert [board["knowledge"] for board in data["boards"]] == [board.knowledge for board in found]
    for shown, board in zip(data["boards"], found, strict=True):
        assert shown["rows"]["method"] == list(board.rows["method"])
        ranks = [None if rank != rank else rank for rank in board.rows["rank"]]
        assert shown["rows"]["rank"] == ranks
        assert [tied for tied in shown["rows"]["tied"] if tied] == [ranks.count(rank) for rank in ranks if rank]
        assert shown["notes"] == list(board.notes) and shown["references"]["method"][1] == "clean model"


def test_curves_have_the_looks_of_the_figures(source, data):
    marks = Marks(source.frames.cells["defense"], source.frames.cells["source"])
    looks = data["curves"]["looks"]
    for method, (defense, source) in {
        "finetune": ("finetune", "none"),
        "task_vector (decree)": ("task_vector", "decree"),
    }.items():
        mark = marks.of(defense, source)
        assert (looks[method]["colour"], looks[method]["symbol"]) == (mark.colour, SYMBOLS[mark.marker])
    assert looks["task_vector (decree)"]["outlined"] and not looks["task_vector"]["outlined"]
    assert looks["task_vector"]["colour"] == looks["task_vector (decree)"]["colour"]
    attacks = [chart["attack"] for chart in data["curves"]["charts"]]
    assert attacks == ["badnets", "blended", "sig", "wanet"]
    chart = data["curves"]["charts"][0]
    assert {method["method"] for method in chart["methods"]} == set(looks) - {"none"}
    holed = next(method for method in chart["methods"] if method["method"] == "cleanclip")
    assert (holed["state"], holed["seeds_ok"], holed["curve_seeds"]) == ("partial", 2, 2)
    assert all(len(method["x"]) == len(method["low"]) == 7 for method in chart["methods"])


def test_colours_are_lightened_only_where_a_dark_page_hides_them():
    assert lightened("#56b4e9") == "#56b4e9"
    assert lightened("#332288") != "#332288"


def test_the_file_needs_nothing_else(page):
    for tag, attributes in page.tags:
        assert tag not in ("iframe", "object", "embed", "base")
        assert not any(str(attributes.get(name, "")).startswith(("http:", "https:", "//")) for name in ("src", "href"))
        assert not any(name.startswith("on") for name in attributes)
    assert [attributes["href"] for tag, attributes in page.tags if tag == "link"] == ["data:,"]


def test_only_the_page_s_own_scripts_may_run(page):
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    allowed = set(rules["script-src"].split())
    plotly = gzip.decompress(base64.b64decode(next(text for a, text in page.scripts if a.get("id") == "plotly")))
    own = [text for attributes, text in page.scripts if "type" not in attributes]
    assert len(own) == 1 and b"plotly.js v" in plotly[:100]
    sums = {base64.b64encode(hashlib.sha256(text).digest()).decode() for text in (own[0].encode(), plotly)}
    assert allowed == {f"'sha256-{value}'" for value in sums}


def test_hostile_names_are_text(hostile):
    page = parsed(source_of(hostile))
    data = data_of(page)
    assert set(data) == set(SECTIONS)
    assert not any(tag == "img" for tag, _ in page.tags)
    assert sum(tag == "script" for tag, _ in page.tags) == len(SECTIONS) + 2
    assert IMAGE in data["cells"]["method"]["levels"] and SCRIPT in data["cells"]["attack"]["levels"]
    assert any(SCRIPT in str(value) for value in data["details"]["pool"])
    for attributes, text in page.scripts:
        if attributes.get("type") == "application/json":
            assert not re.search("[<>&\u2028\u2029]", text)


def test_a_hostile_matrix_name_is_escaped(source):
    frames = source.frames
    plan = frames.plan.model_copy(update={"matrix": IMAGE, "summary": SCRIPT})
    page = render(Source(replace(frames, plan=plan), ()))
    assert IMAGE not in page and "&lt;img src=x onerror=alert(1)&gt;" in page
    assert page.count("<script>") == 1


def test_a_run_without_results_has_a_page(mixed, tmp_path):
    from benchmark.runs import RunFolder

    empty = RunFolder(tmp_path)
    empty.write_plan(mixed.plan())
    data = data_of(parsed(source_of(empty)))
    assert {state for (state,) in rows(data, "state")} == {"missing"} and len(data["cells"]["seed"]) == 147


def test_a_run_without_cells_has_a_page(mixed, tmp_path):
    from benchmark.runs import RunFolder

    empty = RunFolder(tmp_path)
    empty.write_plan(mixed.plan().model_copy(update={"cells": ()}))
    assert data_of(parsed(source_of(empty)))["cells"]["seed"] == []


def test_the_same_run_gives_the_same_page(mixed, source):
    assert render(source) == render(source_of(mixed))


def test_detectors_are_tables_of_text(source):
    board = DetectionBoard(
        model="m",
        dataset="d",
        rows=pd.DataFrame(
            [
                {**DETECTOR, "detector": IMAGE},
                {**DETECTOR, **dict.fromkeys(("auroc", "auroc_low", "auroc_high"), float("nan"))},
            ]
        ),
        by_attack=pd.DataFrame([{"detector": IMAGE, "attack": "badnets", "auroc": 0.75, "state": "ok"}]),
        notes=(SCRIPT,),
    )
    page = parsed(replace(source, detected=(board,)))
    (shown,) = data_of(page)["detectors"]
    images, attacks = shown["tables"]
    assert (shown["title"], shown["notes"]) == ("m on d", [SCRIPT])
    assert [row[:3] for row in images["rows"]] == [[IMAGE, "nothing", "90.0 [85.0, 95.0]"], ["plain", "nothing", "-"]]
    assert attacks["rows"] == [[IMAGE, "75.0"]] and attacks["headers"] == ["Detector", "badnets"]
    assert not any(tag == "img" for tag, _ in page.tags)


def test_boards_tell_dev_from_held_out_attacks_and_rebound(build):
    clean = ("clean_pairs",)
    world = build(defenses={"none": (), "finetune": clean}, held_out=("sig",), seeds=(0,), rebound={"finetune": 0.25})
    found = source_of(world)
    board = next(board for board in data_of(parsed(found))["boards"] if board["rows"]["method"] == ["finetune"])
    expected = found.boards[-1].rows.iloc[0]
    assert board["held_out"] and board["rows"]["rebound"] == [2500]
    assert board["rows"]["held_out_success"] == pytest.approx([1e4 * expected["held_out_success"]], abs=1e-3)


def test_the_wheel_carries_markup_style_and_scripts():
    from hatchling.builders.wheel import WheelBuilder

    root = Path(__file__).parents[2]
    carried = {file.distribution_path for file in WheelBuilder(str(root)).recurse_included_files()}
    parts = [path for path in (root / "reports" / "page").rglob("*") if path.suffix in (".html", ".css", ".js")]
    assert {str(path.relative_to(root)) for path in parts} <= carried and len(parts) > 10


def test_sections_have_markup_and_a_script():
    page = importlib.resources.files("reports.page")
    for name in SECTIONS:
        assert page.joinpath("templates", "sections", f"{name}.html").is_file()
        assert page.joinpath("assets", f"{name}.js").is_file()


def test_rates_are_ten_thousandths(data):
    cells = data["cells"]
    assert all(value is None or isinstance(value, int) for value in cells["success"])
    assert max(value for value in cells["clean_high"] if value is not None) <= 10_000


@pytest.mark.parametrize("rate", [0.97649, 0.97651, 0.12345, 0.00049])
def test_what_a_board_shows_was_rounded_once(rate):
    (packed,) = rates([rate], decimals=4)
    assert f"{packed / 100:.1f}" == f"{100 * rate:.1f}"
