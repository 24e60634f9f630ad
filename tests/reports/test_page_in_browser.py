"""leaderboard.html in a real Chromium, opened from disk: it fetches nothing, sorts, filters, and obeys the keyboard."""

import importlib.util
import shutil

import pytest

from reports.boards import boards
from reports.frames import read
from reports.page.render import write_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
IMAGE = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>alert(2)</script>"
SECONDS = 2.0
NOISE = 2.0
"""Other work on the machine may double the time of loading."""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path; install the package 'chromium'"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Visit:
    """A page, and what went wrong on it."""

    def __init__(self, browser, path, **options):
        options.setdefault("viewport", {"width": 1280, "height": 900})
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.path, self.problems, self.requests = path, [], []
        self.page.on("console", self.heard)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.problems.append(dialog.message), dialog.dismiss()))
        self.refused = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.refused.append((request.url, request.failure)))
        self.page.goto(path.as_uri())

    def heard(self, message):
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def column(self, place):
        return self.page.locator(f"#cells-table tbody td:nth-child({place})").all_inner_texts()

    def draw(self):
        self.page.locator("#chart").scroll_into_view_if_needed()
        self.page.wait_for_selector("#chart .main-svg")


@pytest.fixture
def visit(browser):
    visits = []

    def opened(path, **options):
        visits.append(Visit(browser, path, **options))
        return visits[-1]

    yield opened
    for one in visits:
        one.context.close()


def page_of(folder):
    frames = read(folder)
    return write_page(frames, boards(frames), folder.report)


@pytest.fixture(scope="module")
def mixed_page(mixed):
    return page_of(mixed)


@pytest.fixture(scope="module")
def hostile_page(hostile):
    return page_of(hostile)


def test_it_loads_without_an_error_and_asks_for_nothing(visit, mixed_page):
    seen = visit(mixed_page)
    seen.draw()
    assert seen.problems == []
    assert seen.requests == [mixed_page.as_uri()]


def test_nothing_can_be_fetched_even_if_a_script_tried(visit, mixed_page):
    seen = visit(mixed_page)
    refused = seen.page.evaluate("fetch('https://example.invalid/').then(() => 'reached', () => 'refused')")
    seen.page.evaluate("() => { new Image().src = 'https://example.invalid/image.png'; }")
    seen.page.wait_for_timeout(200)
    run = seen.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        " document.head.append(s); return window.ran === undefined; }"
    )
    assert refused == "refused" and run
    assert set(seen.requests[1:]) == {url for url, why in seen.refused if why == "csp"}


def test_sorting_the_cells(visit, mixed_page):
    seen = visit(mixed_page)
    head = seen.page.locator("#cells-table th", has_text="Success")
    for order, sign in (("ascending", 1), ("descending", -1)):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == order
        numbers = [float(text.split()[0].strip("()")) for text in seen.column(7)]
        assert len(numbers) == 50 and numbers == sorted(numbers, key=lambda value: sign * value)
        assert numbers[0] != numbers[-1]
    assert seen.page.locator('#cells-table th[aria-sort]:not([aria-sort="none"])').count() == 1


def test_holes_come_last_whichever_way_the_cells_are_sorted(visit, mixed_page):
    seen = visit(mixed_page)
    for _ in range(2):
        seen.page.locator("#cells-table th", has_text="Success").get_by_role("button").click()
        seen.page.locator("#cells-next").click()
        seen.page.locator("#cells-next").click()
        assert sorted(seen.column(6)[-3:]) == ["failed", "missing", "skipped"]


def test_filters_and_search(visit, mixed_page):
    seen = visit(mixed_page)
    assert seen.text("#cells-shown") == "1 to 50 of 147 cells"
    form = seen.page.locator('form[data-filters="cells"]')
    form.get_by_label("Attack").select_option("sig")
    assert set(seen.column(1)) == {"sig"} and seen.text("#cells-shown") == "1 to 30 of 30 cells (of 147)"
    form.get_by_label("Knowledge").select_option("training pairs")
    assert set(seen.column(3)) == {"training pairs"} and len(seen.column(3)) == 3
    form.get_by_label("State").select_option("missing")
    assert seen.column(5) == ["2"]
    form.get_by_role("button", name="Clear").click()
    assert seen.text("#cells-shown") == "1 to 50 of 147 cells"
    form.get_by_label("Search").fill("clean failed")
    assert seen.column(2) == ["cleanclip"] and seen.column(6) == ["failed"]
    form.get_by_label("Search").fill("no such thing")
    assert seen.text("#cells-table tbody") == "No cell matches."


def test_model_and_data_set_filters(visit, hostile_page):
    seen = visit(hostile_page)
    form = seen.page.locator('form[data-filters="cells"]')
    for name, value in (("Model", f"model {IMAGE}"), ("Data set", SCRIPT)):
        form.get_by_label(name).select_option(value)
        assert "1 to 14 of 14 cells" in seen.text("#cells-shown")


def test_sorting_a_board_never_mixes_boards(visit, mixed_page):
    seen = visit(mixed_page)
    groups = seen.page.locator("#boards-table tbody")
    before = [group.locator("button.link").all_inner_texts() for group in groups.all()]
    seen.page.locator("#boards-table th", has_text="Defense").get_by_role("button").click()
    after = [group.locator("button.link").all_inner_texts() for group in groups.all()]
    assert after == [sorted(names) for names in before] and len(after) == 7
    form = seen.page.locator('form[data-filters="boards"]')
    form.get_by_label("Knowledge").select_option("target")
    assert groups.locator("button.link").all_inner_texts() == ["target_unlearn"]


def test_why_a_method_is_not_ranked_stands_beside_it(visit, mixed_page):
    seen = visit(mixed_page)
    row = seen.page.locator("#boards-table tr", has=seen.page.get_by_role("button", name="cleanclip", exact=True))
    assert row.locator("td").first.inner_text() == "\N{EN DASH}"
    assert "not ranked: 1 failed of 11 cells" in row.inner_text()


def test_hovering_tells_interval_and_n(visit, mixed_page):
    seen = visit(mixed_page)
    seen.page.locator("#boards-table tr", has_text="finetune").first.hover()
    told = seen.text("#tip")
    assert "95 % interval" in told and "t-interval on seed means" in told and "n = 11 victims" in told
    seen.page.locator("#cells-table tbody tr").first.hover()
    assert "n = 185 images" in seen.text("#tip") or "n = 18" in seen.text("#tip")


def test_a_failed_cell_opens_with_its_reason_and_traceback(visit, mixed_page):
    seen = visit(mixed_page)
    seen.page.get_by_label("State").select_option("failed")
    seen.page.locator("#cells-table tbody button").click()
    assert "the loss is not finite" in seen.text("#details-body p")
    assert "FloatingPointError" in seen.text("#details-body pre")


def test_a_measured_cell_opens_with_parameters_provenance_and_seeds(visit, mixed, mixed_page):
    seen = visit(mixed_page)
    seen.page.get_by_label("Search").fill("sig finetune 1 poisoned")
    seen.page.locator("#cells-table tbody button").click()
    for title in ("Trade-off curve, 6 points", "Parameters", "Provenance"):
        seen.page.locator("#details-body summary", has_text=title).click()
    told = seen.text("#details-body")
    key = next(c.key for c in mixed.plan().cells if c.cell.text == "tiny-resnet / shapes / sig / finetune / seed 1")
    result = mixed.result(key)
    for part in (key, "learning_rate", "0.004", "2.11", "0123abcd", *map(str, result.provenance.seeds.values())):
        assert part in told
    assert seen.page.evaluate("location.hash") == f"#cell={key}"
    again = visit(mixed_page)
    again.page.goto(f"{mixed_page.as_uri()}#cell={key}")
    again.page.reload()
    assert "sig / finetune" in again.text("#details-title")


def test_the_keyboard_alone(visit, mixed_page):
    seen = visit(mixed_page)
    active = "document.activeElement"
    press = seen.page.keyboard.press

    def tab_to(condition):
        for _ in range(120):
            press("Tab")
            if seen.page.evaluate(f"{active}.matches({condition!r})"):
                return
        raise AssertionError(f"the tabulator never reaches {condition}")

    tab_to("#theme")
    press("Enter")
    assert seen.page.evaluate("document.documentElement.dataset.theme") == "dark"
    tab_to("#boards-table th button")
    press("Enter")
    assert seen.page.evaluate(f"{active}.closest('th').getAttribute('aria-sort')") == "descending"
    assert seen.page.evaluate(f"getComputedStyle({active}).outlineStyle") == "solid"
    tab_to("#chart-methods input")
    press("Space")
    assert not seen.page.evaluate(f"{active}.checked")
    tab_to("input[type=search]")
    seen.page.keyboard.type("sig finetune 2 poisoned")
    tab_to("#cells-table tbody button")
    assert "95 % interval" in seen.text("#tip")
    assert seen.page.evaluate(f"{active}.getAttribute('aria-describedby')") == "tip"
    press("Enter")
    assert seen.page.evaluate("document.querySelector('dialog').open")
    tab_to("dialog summary")
    press("Enter")
    assert seen.page.evaluate(f"{active}.parentElement.open")
    press("Escape")
    assert not seen.page.evaluate("document.querySelector('dialog').open")
    assert seen.page.evaluate(f"{active}.matches('#cells-table tbody button')")
    assert seen.problems == []


def test_every_control_has_a_name(visit, mixed_page):
    seen = visit(mixed_page)
    nameless = seen.page.evaluate(
        "[...document.querySelectorAll('button, select, input, summary')].filter(e => !(e.textContent.trim() ||"
        " e.getAttribute('aria-label') || (e.labels && e.labels.length))).map(e => e.outerHTML)"
    )
    assert nameless == []
    assert seen.page.locator("h1").count() == 1 and seen.page.locator("html").get_attribute("lang") == "en"


def test_hostile_names_stay_text(visit, hostile_page):
    seen = visit(hostile_page)
    seen.draw()
    assert IMAGE in seen.text("#boards-table") and SCRIPT in seen.text("#cells-table")
    seen.page.evaluate(
        "() => { const chart = document.getElementById('chart');"
        " const curve = chart.data.findIndex((t) => t.hovertext && t.hovertext[0].includes('img'));"
        " Plotly.Fx.hover(chart, [{ curveNumber: curve, pointNumber: 1 }]); }"
    )
    seen.page.wait_for_selector("#chart .hovertext")
    assert IMAGE in seen.page.locator("#chart .hovertext").text_content()
    seen.page.get_by_label("State").select_option("failed")
    seen.page.locator("#cells-table tbody button").click()
    assert SCRIPT in seen.text("#details-body p") and IMAGE in seen.text("#details-body pre")
    assert seen.page.locator("img").count() == 0
    assert seen.problems == [] and seen.requests == [hostile_page.as_uri()]


def test_curves_can_be_chosen_and_hidden(visit, mixed_page):
    seen = visit(mixed_page)
    seen.draw()
    count = "document.getElementById('chart').data.length"
    before = seen.page.evaluate(count)
    seen.page.locator("#chart-methods label", has_text="finetune").click()
    assert seen.page.evaluate(count) == before - 2
    seen.page.locator("#marks-none").click()
    assert seen.page.evaluate(count) == 3
    seen.page.locator('form[data-filters="curves"]').get_by_label("Attack").select_option("wanet")
    seen.page.locator("#chart-numbers summary").click()
    assert "Blind picks under wanet" in seen.text("#chart-numbers")
    assert "abl" in seen.text("#chart-numbers")


def test_light_and_dark(visit, mixed_page):
    background = "getComputedStyle(document.body).backgroundColor"
    seen = visit(mixed_page, color_scheme="dark")
    seen.draw()
    dark = seen.page.evaluate(background)
    paper = "document.getElementById('chart').layout.paper_bgcolor"
    dark_paper = seen.page.evaluate(paper)
    seen.page.locator("#theme").click()
    assert seen.page.evaluate(background) == "rgb(255, 255, 255)" != dark
    assert seen.page.evaluate(paper) == "#ffffff" != dark_paper
    assert visit(mixed_page, color_scheme="light").page.evaluate(background) == "rgb(255, 255, 255)"


def test_a_phone_needs_no_sideways_scrolling(visit, mixed_page):
    seen = visit(mixed_page, viewport={"width": 375, "height": 800}, has_touch=True, is_mobile=True)
    seen.draw()
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 375
    for table in ("#boards-table", "#cells-table"):
        assert seen.page.evaluate(f"document.querySelector('{table}').getBoundingClientRect().right") <= 375
    seen.page.get_by_label("State").select_option("failed")
    assert "failed" in seen.text("#cells-table tbody")
    seen.page.locator("#cells-table tbody button").tap()
    assert "the loss is not finite" in seen.text("#details-body")


def test_two_thousand_cells(visit, build, multiply, tmp_path):
    small = build(
        attacks=("badnets", "blended", "sig", "wanet", "ftrojan"),
        defenses={"none": (), **{f"method_{number}": ("clean_pairs",) for number in range(18)}},
        seeds=(0, 1),
        images=100,
        points=8,
        benign=False,
    )
    path = page_of(multiply(small, tmp_path / "large", 2000))
    assert path.stat().st_size < 8e6
    visits = [visit(path) for _ in range(3)]
    timing = "performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"
    loaded = min(seen.page.evaluate(timing) for seen in visits)
    sorting = (
        "() => { const start = performance.now(); document.querySelector('#cells-table th button').click();"
        " document.body.offsetHeight; return (performance.now() - start) / 1000; }"
    )
    sorted_in = min(seen.page.evaluate(sorting) for seen in visits)
    assert "of 2,000 cells" in visits[0].text("#cells-shown") and visits[0].column(1)
    assert 0 < loaded < SECONDS * NOISE, f"2,000 cells load in {loaded:.2f} s"
    assert sorted_in < 0.5 * NOISE, f"2,000 cells are sorted in {sorted_in:.2f} s"
