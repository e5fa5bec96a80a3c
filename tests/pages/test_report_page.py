"""A report in Chromium: opened from a file, without a network, as every reader has it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from playwright.sync_api import Browser, Page, expect, sync_playwright

from seelike.analysis import figures as draw
from seelike.analysis.similarity import Estimate
from seelike.storage.reports import write
from seelike.storage.reports.write import (
    Case,
    Check,
    Csv,
    Group,
    Lineage,
    Method,
    Numbers,
    Section,
    Table,
)
from seelike.tasks.reports.elements.figures import render_figure

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="there is no chromium to open the pages with (apt-get install chromium)",
)
# Left, top, width and height of the heatmap in the window.
FRAME = """() => {
  const view = Object.values(Bokeh.index)[0];
  const [inside, around] = [view.frame.bbox, view.el.getBoundingClientRect()];
  return [around.x + inside.left, around.y + inside.top, inside.width, inside.height];
}"""
MODELS = ["ViT", "ResNet"]
TAPS = [f"blocks.{i}" for i in range(6)]
NUMBERS = "tap,cka\nblocks.0,0.5\n"
LONG = "a_layer_with_a_very_long_name_that_has_no_place_to_break." * 2

STRUCTURE = (Path(__file__).parent / "structure.js").read_text()

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()


def comparison() -> xr.Dataset:
    """Two models of six taps, every cell another value."""
    count = len(MODELS) * len(TAPS)
    place = np.arange(count * count).reshape(count, count)
    values = 0.9 - (place + place.T) / 1000
    dims = ("tap_a", "tap_b")
    labels = {"tap": TAPS * 2, "depth": np.tile(np.linspace(0, 1, len(TAPS)), 2)}
    labels["model"] = np.repeat(MODELS, len(TAPS)).astype(object)
    coordinates = {f"{k}_{s}": (f"tap_{s}", v) for k, v in labels.items() for s in "ab"}
    return xr.Dataset(
        {
            "cka": (dims, values),
            "cka_low": (dims, values - 0.01),
            "cka_high": (dims, values + 0.01),
        },
        coordinates,
    )


def claims() -> tuple[Check, ...]:
    """Every verdict, of one network, of two seeds with two numbers each, and of none."""
    number = Numbers(
        "Mean CKA of the lowest with the highest quarter",
        (("ViT", Estimate(0.7, 0.6, 0.8)), (LONG, Estimate(0.3, 0.2, 0.4))),
        Estimate(-0.4, -0.42, -0.38),
        Estimate(0.9),
        Estimate(-12.25, -13.5, -11.125),
    )
    second = Numbers("Lowest CKA", number.sides, Estimate(0.125, 0.11, 0.14))
    one = Case("ViT and ResNet", "holds", (number,))
    seeds = (
        Case("ViT and ResNet", "holds", (number, second)),
        Case(f"ViT-2 and {LONG}", "can't tell", (number, second), settle="More batches would."),
    )
    told = {
        "holds": (one,),
        "holds before training too": (one,),
        "does not hold": (one,),
        "seeds disagree": seeds,
        "can't tell": (),
    }
    return tuple(
        Check(
            "E1",
            f"The ViT's ends are alike: {verdict}.",
            verdict,
            cases,
            seeds="one network" if len(cases) == 1 else "disagree" if cases else "",
            least="Smallest difference that matters: 0.05 of CKA (less is not seen).",
            remark="" if cases else "The study lacks a ViT.",
        )
        for verdict, cases in told.items()
    )


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with one of everything, and names that are long."""
    dataset = comparison()
    chain = Lineage(
        "comparisons",
        "c0" * 32,
        origins=(Lineage("model", "4e" * 32, "ViT", (("architecture", LONG),)),),
    )
    both = render_figure(
        "all-pairs",
        draw.grid(dataset, MODELS),
        alt="ViT and ResNet are most alike at their first layers.",
        caption="CKA of all layers.",
        data="cka",
        explorer=draw.explorer(dataset, MODELS, MODELS),
    )
    one = render_figure(
        "within-vit", draw.within(dataset, "ViT"), alt="The ViT is uniform.", caption=LONG
    )
    page = write.Page(
        title="How alike are the layers of ViT and ResNet?",
        lead=("Of 1 claim of the study, on these networks: 1 holds.", LONG),
        first=write.Figure(**{**both.__dict__, "origins": (chain,)}),
        sections=(
            Section(
                "Within each model",
                paragraphs=("What it shows.",),
                checks=claims(),
                figures=(one,),
                data=(Csv("cka", NUMBERS, "One line per pair."),),
                tables=(Table(("model", "CKA", LONG), (("ViT", 0.5, LONG),), caption="Numbers."),),
                method=Method(
                    ("CKA = Σ HSIC₁(K, L) / √(Σ HSIC₁(K, K) Σ HSIC₁(L, L))",), (("batch", "256"),)
                ),
            ),
        ),
        provenance=(Group("Models", (("ViT", "4e" * 32),)),),
        warnings=("2 images were left out.",),
        notes=("A note.",),
    )
    return Path(write.write(str(tmp_path_factory.mktemp("report")), page))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def opened(browser: Browser, index: Path, **settings: Any) -> tuple[Page, list[str]]:
    """The report without a network, and what the browser complains of."""
    page = browser.new_page(**settings)
    errors: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda r: errors.append(r.url) if r.url.startswith("http") else None)
    page.context.set_offline(True)
    page.goto(index.as_uri())
    return page, errors


def test_the_explorer_comes_when_asked_and_tells_the_cell_under_the_pointer(
    browser: Browser, index: Path
) -> None:
    page, errors = opened(browser, index, viewport={"width": 1280, "height": 900})
    assert page.evaluate("typeof Bokeh") == "undefined"
    picture = page.locator("#figure-all-pairs img")
    expect(picture).to_be_visible()
    page.get_by_role("button", name="Explore figure 1").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The explorer is there")
    expect(picture).to_be_hidden()
    frame = page.evaluate(FRAME)
    dataset = comparison()
    # Rows count from below: row 2 is the ViT's, column 9 the ResNet's fourth.
    row, column, count = 2, 9, 12
    x = frame[0] + frame[2] * (column + 0.5) / count
    y = frame[1] + frame[3] * (count - row - 0.5) / count
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    for words in (
        "ViT: blocks.2 (depth 0.40)",
        "ResNet: blocks.3 (depth 0.60)",
        f"CKA: {float(dataset['cka'][row, column]):.4f}",
        " to ".join(f"{float(dataset[end][row, column]):.4f}" for end in ("cka_low", "cka_high")),
    ):
        expect(page.get_by_text(words)).to_be_visible()
    page.get_by_role("button", name="Explore figure 1").click()
    expect(picture).to_be_visible()
    assert errors == []
    page.close()


def test_files_are_taken_from_the_page_itself(
    browser: Browser, index: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "mailed.html"
    alone.write_bytes(index.read_bytes())
    page, errors = opened(browser, alone)
    for words, name, beside in (
        ("Numbers", "cka.csv", "data/cka.csv"),
        ("SVG", "all-pairs.svg", "figures/all-pairs.svg"),
        ("PNG", "all-pairs.png", "figures/all-pairs.png"),
    ):
        with page.expect_download() as download:
            page.locator("#figure-all-pairs").get_by_role("link", name=words).click()
        assert download.value.suggested_filename == name
        taken = Path(download.value.path()).read_bytes()
        assert taken == (index.parent / beside).read_bytes()
    assert errors == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_names_roles_order_and_contrast_are_for_every_reader(
    browser: Browser, index: Path, scheme: str
) -> None:
    page, _ = opened(browser, index, color_scheme=scheme)
    assert page.evaluate(STRUCTURE) == []
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    count, *poor = page.evaluate(CONTRAST)
    assert count > 50
    assert poor == []
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    # Figures are drawn on white, which stays white.
    card = page.locator("#figure-all-pairs .sheet")
    expect(card).to_have_css("background-color", "rgb(255, 255, 255)")
    page.close()


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_wider_than_the_window(browser: Browser, index: Path, width: int) -> None:
    page, errors = opened(browser, index, viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    page.get_by_role("button", name="Explore figure 1").click()
    expect(page.get_by_role("status")).to_contain_text("The explorer is there")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width == 400:
        # Stacked rows are still a table for a screen reader.
        expect(page.get_by_role("table", name="A verdict on each claim")).to_be_visible()
        assert page.get_by_role("rowheader").count() >= 10
    assert errors == []
    page.close()


@pytest.mark.parametrize("width", [1280, 1101, 1000, 400])
def test_claims_are_read_without_scrolling_sideways(
    browser: Browser, index: Path, width: int
) -> None:
    page, _ = opened(browser, index, viewport={"width": width, "height": 800})
    for name in ("Claims and verdicts", "Claims and numbers"):
        region = page.get_by_role("region", name=name)
        assert region.evaluate("(e) => e.scrollWidth <= e.clientWidth")
    rows = page.get_by_role("table", name="A verdict on each claim").locator("tbody tr")
    row = rows.filter(has_text="≠")
    # Under each other where there is no room, each cell under a heading; else in one line.
    cells = row.locator("td")
    headings = cells.evaluate_all(
        "(all) => all.map((e) => getComputedStyle(e, '::before').content.replaceAll('\"', ''))"
    )
    tops = cells.evaluate_all("(all) => all.map((e) => e.getBoundingClientRect().top)")
    if width > 1100:
        assert set(headings) == {"none"}
        assert len(set(tops)) == 1
    else:
        assert headings == ["none", "Trained", "Untrained", "Learned", "Seeds", "Verdict"]
        assert tops == sorted(set(tops))
        # Nothing stands where there is nothing to show.
        expect(rows.filter(has_text="The study lacks a ViT.").locator(".none").first).to_be_hidden()
    # A line for each number of both seeds, of one height in neighbouring cells.
    places = [
        cell.locator(".line").evaluate_all("(all) => all.map((e) => e.getBoundingClientRect())")
        for cell in cells.filter(has=page.locator(".line")).all()
    ]
    assert [len(lines) for lines in places] == [4, 4, 4]
    heights = {round(line["height"], 1) for lines in places for line in lines}
    assert max(heights) < 2 * min(heights)
    if width > 1100:
        assert len({tuple(round(line["top"]) for line in lines) for lines in places}) == 1
    page.close()


def test_the_first_figure_stands_below_the_verdicts(browser: Browser, index: Path) -> None:
    page, _ = opened(browser, index, viewport={"width": 1280, "height": 800})
    table = page.get_by_role("table", name="A verdict on each claim").bounding_box()
    figure = page.locator("#figure-all-pairs").bounding_box()
    assert table is not None
    assert figure is not None
    assert table["y"] + table["height"] <= figure["y"]
    page.close()


def test_a_keyboard_reaches_everything_and_sees_where_it_is(browser: Browser, index: Path) -> None:
    page, _ = opened(browser, index)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the results")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the results")).to_be_in_viewport()
    wanted = page.locator("a[href], button, summary, input, [tabindex='0']").count()
    seen = set()
    for _ in range(wanted):
        seen.add(page.evaluate("[...document.all].indexOf(document.activeElement)"))
        style = page.evaluate(
            "() => { const e = document.activeElement; const s = getComputedStyle("
            "e.tagName === 'INPUT' ? e.nextElementSibling : e); return s.outlineStyle; }"
        )
        assert style != "none"
        page.keyboard.press("Tab")
    assert len(seen) >= wanted - 2
    page.close()


def test_paper_has_open_folds_and_no_buttons(browser: Browser, index: Path) -> None:
    page, _ = opened(browser, index)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("[...document.querySelectorAll('details')].every((d) => d.open)")
    expect(page.get_by_text("Explore", exact=True)).to_be_hidden()
    expect(page.get_by_role("navigation")).to_be_hidden()
    expect(page.get_by_text("CKA = Σ HSIC₁")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not page.evaluate("[...document.querySelectorAll('details')].some((d) => d.open)")
    page.close()
