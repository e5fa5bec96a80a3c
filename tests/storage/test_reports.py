"""A report needs nothing beside it, trusts no text, and is there whole or as it was."""

import base64
import gzip
import html.parser
import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from seelike.analysis.similarity import Estimate
from seelike.storage.errors import StorageError
from seelike.storage.places.folder import Folder
from seelike.storage.reports import write as reports
from seelike.storage.reports.origins import from_record
from seelike.storage.reports.read import traces
from seelike.storage.reports.write import (
    Case,
    Check,
    Csv,
    Figure,
    Group,
    Lineage,
    Numbers,
    Page,
    Section,
    Table,
)

HOSTILE = "<script>alert('vit')</script>"


def picture(width: int = 40, height: int = 20) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, "png")
    return buffer.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"/>'
NUMBERS = "tap,cka\nblocks.0,0.5\n"
FIGURE = Figure("all-pairs", picture(), SVG, "ViT is uniform", "CKA of all pairs", data="cka")
QUARTERS = Numbers(
    "Mean CKA of the quarters",
    (("of vit", Estimate(0.72, 0.70, 0.74)), ("of resnet", Estimate(0.75, 0.73, 0.77))),
    Estimate(-0.03, -0.04, -0.02),
    Estimate(0.05, 0.04, 0.06),
)
PAGE = Page(
    title="vit against resnet",
    lead=("The ViT is uniform.",),
    sections=(
        Section(
            "Heatmaps",
            paragraphs=("Each panel compares two models.",),
            figures=(FIGURE,),
            data=(Csv("cka", NUMBERS, "One line per layer."),),
            tables=(
                Table(
                    ("model", "accuracy", "parameters", "CKA"),
                    (
                        ("vit", 0.88612, 612346, Estimate(0.5, 0.25, 0.75)),
                        ("resnet", None, 7, Estimate(-0.125)),
                    ),
                ),
            ),
        ),
        Section(
            "Checks",
            checks=(
                Check(
                    "E1",
                    "The ViT's quarters are more alike.",
                    "does not hold",
                    (Case("vit and resnet", "does not hold", (QUARTERS,)),),
                    seeds="one network",
                    least="Smallest difference that matters: 0.1.",
                ),
            ),
        ),
    ),
    provenance=(Group("Images", (("digest", "sha256:0123"),)),),
    warnings=("2 images were left out.",),
    notes=("Depth is the place of a tap.",),
)


def with_data(*data: Csv) -> Page:
    """The page with other CSV files."""
    first, *others = PAGE.sections
    return replace(PAGE, sections=(replace(first, data=data), *others))


class Parsed(html.parser.HTMLParser):
    """Tags with their attributes, the text outside style and script, and what is packed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.packed: dict[str, bytes] = {}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data):
        name = self.tags[-1][1].get("data-name") if self._inside == "script" else None
        if name is not None and data.strip():
            self.packed[name] = gzip.decompress(base64.b64decode(data))
        if self._inside not in ("style", "script"):
            self.words += data.split()

    def handle_endtag(self, _tag):
        self._inside = ""

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(self.words)


def write(folder: Path, page: Page) -> Path:
    return Path(reports.write(str(folder), page))


def read(path: Path) -> Parsed:
    return Parsed(path.read_text(encoding="utf-8"))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_page_and_the_files_beside_it(tmp_path):
    assert write(tmp_path / "r", PAGE) == tmp_path / "r" / "index.html"
    found = snapshot(tmp_path / "r")
    assert set(found) == {
        "index.html",
        "figures/all-pairs.png",
        "figures/all-pairs.svg",
        "data/cka.csv",
        "provenance.json",
    }
    assert found["figures/all-pairs.png"] == FIGURE.png
    assert found["figures/all-pairs.svg"] == SVG
    assert found["data/cka.csv"].decode() == NUMBERS


def test_the_page_needs_nothing_beside_it(tmp_path):
    page = read(write(tmp_path, PAGE))
    links = [
        address
        for _, attributes in page.tags
        for name in ("src", "href", "srcset", "data", "action", "poster")
        if (address := attributes.get(name)) is not None
    ]
    own = {"figures/all-pairs.png", "figures/all-pairs.svg", "data/cka.csv"}
    assert all(address.startswith(("data:", "#")) or address in own for address in links)
    # Those beside the page are in it as well: the script, the only one that runs, unpacks them.
    assert {"figures/all-pairs.svg", "data/cka.csv"} == set(page.packed)
    assert [kind for a in page.all("script") if (kind := a.get("type")) != "text/plain"] == [None]
    assert not page.all("link")
    assert len(page.all("style")) == 1
    text = (tmp_path / "index.html").read_text()
    assert "url(" not in text
    assert "@import" not in text
    assert "http:" not in text
    assert "https:" not in text


def test_every_link_within_the_page_arrives(tmp_path):
    page = read(write(tmp_path, PAGE))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    inner = {a["href"] for a in page.all("a") if (a["href"] or "").startswith("#")}
    assert {"#section-1", "#section-2", "#provenance", "#data", "#notes", "#main"} <= inner
    assert {address.removeprefix("#") for address in inner} <= set(ids)


def test_pictures_and_numbers_are_embedded_unchanged(tmp_path):
    page = read(write(tmp_path, PAGE))
    (image,) = page.all("img")
    kind, _, content = image["src"].partition(";base64,")
    assert (kind, base64.b64decode(content)) == ("data:image/png", FIGURE.png)
    assert image["alt"] == "ViT is uniform"
    # Drawn at two pixels for each pixel of the page.
    assert (image["width"], image["height"]) == ("20", "10")
    taken = {a["download"]: a.get("data-packed") for a in page.all("a") if "download" in a}
    assert set(taken) == {"all-pairs.png", "all-pairs.svg", "cka.csv"}
    assert page.packed[taken["cka.csv"]].decode() == NUMBERS
    assert page.packed[taken["all-pairs.svg"]] == SVG


def test_bokeh_comes_once_with_the_first_explorer_and_not_without(tmp_path):
    assert "bokeh" not in read(write(tmp_path / "a", PAGE)).packed
    explored = [replace(FIGURE, name=name, explorer='{"doc": 1}') for name in ("a", "b")]
    page = read(
        write(
            tmp_path / "b",
            replace(PAGE, sections=(Section("s", figures=tuple(explored), data=PAGE.data),)),
        )
    )
    names = [a["data-name"] for a in page.all("script") if "data-name" in a]
    assert names.count("bokeh") == 1
    assert page.packed["explorer/a"] == b'{"doc": 1}'
    assert b"Bokeh" in page.packed["bokeh"]
    # Nothing to press without the script, so its button is hidden until then.
    assert all("hidden" in button for button in page.all("button"))


def first_screen(folder: Path, *checks: Check) -> str:
    """The words of the first screen, for checks of one section."""
    text = write(folder, replace(PAGE, sections=(Section("Claims", checks=checks),))).read_text()
    return Parsed(text[text.index("<main") : text.index("<nav")]).text


def test_the_first_screen_has_a_verdict_on_every_claim_and_the_figure_below(tmp_path):
    telling = replace(FIGURE, name="telling")
    page = read(write(tmp_path, replace(PAGE, first=telling)))
    assert (tmp_path / "figures" / "telling.png").exists()
    (table,) = [a for a in page.all("table") if "verdicts" in (a.get("class") or "")]
    assert table["role"] == "table"
    row = (
        "E1 The ViT's quarters are more alike. vit and resnet "
        "\N{MINUS SIGN}0.03 [\N{MINUS SIGN}0.04, \N{MINUS SIGN}0.02] 0.05 [0.04, 0.06] \N{EN DASH} "
        "one network ✗ does not hold"
    )
    places = [page.text.index(one) for one in (row, "Figure 1.", "Each panel compares two models.")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [
        ("holds", "✓ holds"),
        ("holds before training too", "= holds before training too"),
        ("does not hold", "✗ does not hold"),
        ("seeds disagree", "≠ seeds disagree"),
        ("can't tell", "? can't tell"),
    ],
)
def test_every_verdict_has_a_sign_and_words(tmp_path, verdict, shown):
    check = Check("E3", "Heads are local.", verdict, remark="There are no heads.")
    screen = first_screen(tmp_path, check)
    assert "There are no heads. " + "\N{EN DASH} " * 4 + shown in screen
    # Once on the first screen, once in the section.
    assert read(tmp_path / "index.html").text.count(shown) == 2


def test_each_seed_and_each_number_has_its_line(tmp_path):
    def numbers(value: float) -> tuple[Numbers, ...]:
        return tuple(
            replace(QUARTERS, measure=measure, trained=Estimate(value + more), untrained=None)
            for measure, more in (("Mean CKA", 0.0), ("Lowest CKA", 0.01))
        )

    cases = (
        Case("vit and resnet", "holds", numbers(0.5)),
        Case("vit-2 and resnet", "can't tell", numbers(0.25), settle="More batches would."),
        Case("vit-3 and resnet", "can't tell", settle="It has one head."),
    )
    check = Check("E1", "Alike.", "seeds disagree", cases, seeds="disagree", least="At least 0.1.")
    screen = first_screen(tmp_path, check)
    assert "1 0.50 0.51 2 0.25 0.26 3 \N{EN DASH}" in screen
    assert "1 vit and resnet: ✓ holds" in screen
    assert "2 vit-2 and resnet: ? can't tell . More batches would." in screen
    assert "3 vit-3 and resnet: ? can't tell . It has one head." in screen
    assert "Mean CKA; Lowest CKA" in screen
    page = read(tmp_path / "index.html")
    lines = [a["title"] for a in page.all("span") if "title" in a]
    assert lines[:3] == [
        "vit and resnet: Mean CKA",
        "vit and resnet: Lowest CKA",
        "vit-2 and resnet: Mean CKA",
    ]
    # In the section, a row for each number; what is of a claim or a case stands there once.
    section = page.text[page.text.index("Networks Measured Trained") :]
    rows = (
        "E1 Alike. At least 0.1. ≠ seeds disagree disagree",
        "vit and resnet ✓ holds Mean CKA of vit 0.72 [0.70, 0.74] of resnet 0.75 [0.73, 0.77] 0.50",
        "Lowest CKA of vit 0.72 [0.70, 0.74] of resnet 0.75 [0.73, 0.77] 0.51",
        "vit-2 and resnet ? can't tell More batches would. Mean CKA",
        "vit-3 and resnet ? can't tell It has one head. \N{EN DASH}",
    )
    places = [section.index(row) for row in rows]
    assert places == sorted(places)
    assert section.count("At least 0.1.") == section.count("More batches would.") == 1


def test_a_claim_put_to_two_sizes_says_which_on_the_first_screen(tmp_path):
    checks = [
        Check("E3", "Heads.", "holds", (Case(f"ViT-{size}", "holds", (QUARTERS,)),))
        for size in "SB"
    ]
    screen = first_screen(tmp_path, *checks)
    assert "Heads. ViT-S" in screen
    assert "Heads. ViT-B" in screen


def test_what_a_figure_was_drawn_from_stands_beside_it_and_is_kept_for_programs(tmp_path):
    images = Lineage("image set", "f00d", facts=(("source", "sample"),))
    chain = Lineage("comparisons", "abc", origins=(Lineage("model", "w8", of="ViT"), images))
    figure = replace(FIGURE, origins=(chain,))
    folder = tmp_path / "r"
    page = replace(PAGE, sections=(Section("s", figures=(figure,), data=PAGE.data),))
    reports.write(str(folder), page, store="/data/store")
    text = read(folder / "index.html").text
    assert "Lineage of figure 1" in text
    assert "comparisons abc model of ViT w8 image set f00d source: sample" in text
    kept = traces(str(folder))
    assert kept is not None
    assert kept["store"] == "/data/store"
    assert [from_record(one) for one in kept["figures"]["all-pairs"]] == [chain]
    assert traces(str(tmp_path / "other")) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": 2}', "has format 2, this seelike writes format 1; draw it again"),
        ("{", "is damaged; draw the report again"),
        ("[]", "is damaged; draw the report again"),
    ],
)
def test_traces_of_another_format_are_told_in_one_line(tmp_path, content, message):
    (tmp_path / "provenance.json").write_text(content)
    with pytest.raises(StorageError, match=message):
        traces(str(tmp_path))


def test_numbers_too_long_to_embed_stay_beside_the_page(tmp_path):
    long = "tap,cka\n" + "blocks.0,0.5\n" * 400_000
    page = read(write(tmp_path, with_data(Csv("cka", long))))
    assert {a["href"] for a in page.all("a")} >= {"data/cka.csv"}
    assert "data/cka.csv" not in page.packed
    assert "5.2 MB, beside this page" in page.text
    assert (tmp_path / "data/cka.csv").read_text() == long


def test_everything_that_was_given_is_said(tmp_path):
    text = read(write(tmp_path, PAGE)).text
    for words in (
        "The ViT is uniform.",
        "Each panel compares two models.",
        "CKA of all pairs",
        "The ViT's quarters are more alike.",
        "Smallest difference that matters: 0.1.",
        "Mean CKA of the quarters",
        "of vit 0.72 [0.70, 0.74]",
        "one network",
        "✗ does not hold",
        "2 images were left out.",
        "Depth is the place of a tap.",
        "sha256:0123",
        "One line per layer.",
    ):
        assert words in text


def test_numbers_stand_right_and_are_written_for_readers(tmp_path):
    page = read(write(tmp_path, PAGE))
    cells = [a.get("class") for a in page.all("td") if a.get("role") != "cell"]
    assert cells == ["number", "number", "number"] * 2
    scopes = [a["scope"] for a in page.all("th")]
    # Two of the table, one of the first screen; the claim heads its numbers.
    assert (scopes.count("row"), scopes.count("rowgroup")) == (2 + 1, 1)
    for shown in ("0.886", "612\N{NARROW NO-BREAK SPACE}346", "0.500 [0.250, 0.750]"):
        assert shown in (tmp_path / "index.html").read_text()
    assert "vit 0.886" in page.text
    assert "resnet \N{EN DASH} 7 \N{MINUS SIGN}0.125" in page.text


def test_hostile_text_is_shown_and_never_run(tmp_path):
    attribute = f'"onload="x {HOSTILE}'
    number = Numbers(attribute, ((HOSTILE, Estimate(1.0)), (HOSTILE, Estimate(1.0))), Estimate(1.0))
    cases = (Case(attribute, "holds", (number, number), settle=HOSTILE),) * 2
    check = Check(
        HOSTILE, HOSTILE, "seeds disagree", cases, seeds=HOSTILE, least=HOSTILE, remark=HOSTILE
    )
    page = Page(
        title=HOSTILE,
        lead=(HOSTILE,),
        sections=(
            Section(
                HOSTILE,
                (HOSTILE,),
                (check,),
                (Figure("a", picture(), SVG, attribute, HOSTILE),),
                (Table((HOSTILE,), ((HOSTILE,),), caption=attribute),),
                data=(Csv("a", HOSTILE, HOSTILE),),
            ),
        ),
        provenance=(Group(HOSTILE, ((HOSTILE, HOSTILE),)),),
        warnings=(HOSTILE,),
        notes=(HOSTILE,),
    )
    found = read(write(tmp_path, page))
    assert len([a for a in found.all("script") if "data-name" not in a]) == 1
    assert HOSTILE not in (tmp_path / "index.html").read_text()
    assert not any("onload" in attributes for _, attributes in found.tags)
    (image,) = found.all("img")
    assert image["alt"] == attribute
    assert found.text.count(HOSTILE) >= 40


@pytest.mark.parametrize("name", ["../up", "a/b", "Upper", "", "a b", "-a", "a.b", "ä", "a\n"])
def test_a_name_unfit_for_a_file_is_refused(tmp_path, name):
    figure = replace(FIGURE, name=name)
    page = replace(PAGE, sections=(Section("s", figures=(figure,)),))
    with pytest.raises(StorageError, match="cannot name a file"):
        write(tmp_path / "r", page)
    with pytest.raises(StorageError, match="cannot name a file"):
        write(tmp_path / "r", with_data(*PAGE.data, Csv(name, "")))
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (Section("s", figures=(FIGURE, FIGURE), data=PAGE.data), "'all-pairs' is used twice"),
        (Section("s", figures=(replace(FIGURE, png=b"no"),), data=PAGE.data), "is not a PNG"),
        (Section("s", figures=(replace(FIGURE, data="other"),)), "names data 'other'"),
        (Section("s", tables=(Table(("a", "b"), (("x",),)),)), "1 cells under 2 headings"),
        (Section("s", tables=(Table(("a",), ((float("nan"),),)),)), "holds nan"),
    ],
)
def test_a_page_that_cannot_be_rendered_leaves_the_older_one(tmp_path, section, message):
    write(tmp_path, PAGE)
    before = snapshot(tmp_path)
    with pytest.raises(StorageError, match=message):
        write(tmp_path, replace(PAGE, title="newer", sections=(section,)))
    assert snapshot(tmp_path) == before


def test_a_disk_that_fails_leaves_the_older_page(tmp_path, monkeypatch):
    write(tmp_path, PAGE)
    before = (tmp_path / "index.html").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "write", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, replace(PAGE, title="newer"))
    assert (tmp_path / "index.html").read_bytes() == before


def test_the_page_is_written_after_all_it_lists(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(Folder, "write", lambda _, key, __: order.append(key))
    write(tmp_path, PAGE)
    assert order[-1] == "index.html"
    assert len(order) == 5


def test_files_of_the_replaced_page_go_and_others_stay(tmp_path):
    write(tmp_path, PAGE)
    (tmp_path / "data" / "mine.csv").write_text("keep")
    figure = replace(FIGURE, name="other")
    write(tmp_path, replace(PAGE, sections=(Section("s", figures=(figure,), data=PAGE.data),)))
    assert set(snapshot(tmp_path)) == {
        "index.html",
        "figures/other.png",
        "figures/other.svg",
        "data/cka.csv",
        "data/mine.csv",
        "provenance.json",
    }


def test_another_programs_page_is_not_overwritten(tmp_path):
    (tmp_path / "index.html").write_text("<h1>mine</h1>")
    with pytest.raises(StorageError, match="is no seelike report"):
        write(tmp_path, PAGE)
    assert (tmp_path / "index.html").read_text() == "<h1>mine</h1>"


def test_the_same_page_gives_the_same_bytes(tmp_path):
    first = write(tmp_path / "a", PAGE).read_bytes()
    assert write(tmp_path / "b", PAGE).read_bytes() == first


def test_a_csv_file_that_two_sections_share_is_there_once(tmp_path):
    shared = Csv("cka", NUMBERS)
    sections = (Section("one", data=(shared,)), Section("two", data=(Csv("cka", NUMBERS),)))
    write(tmp_path, Page("?", (), sections))
    assert (tmp_path / "data/cka.csv").read_text() == NUMBERS
    other = (Section("one", data=(shared,)), Section("two", data=(Csv("cka", "tap\n"),)))
    with pytest.raises(StorageError, match="'cka' is used twice"):
        write(tmp_path, Page("?", (), other))
