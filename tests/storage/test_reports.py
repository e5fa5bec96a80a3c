"""A report needs nothing beside it, trusts no text, and is there whole or as it was."""

import base64
import html.parser
import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from storage import reports
from storage.errors import StorageError
from storage.folder import Folder
from storage.reports import Check, Csv, Estimate, Figure, Group, Page, Section, Table

HOSTILE = "<script>alert('vit')</script>"


def picture(width: int = 40, height: int = 20) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(buffer, "png")
    return buffer.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"/>'
NUMBERS = "tap,cka\nblocks.0,0.5\n"
FIGURE = Figure("all-pairs", picture(), SVG, "ViT is uniform", "CKA of all pairs", data="cka")
PAGE = Page(
    title="vit against resnet",
    lead=("The ViT is uniform.",),
    sections=(
        Section(
            "Heatmaps",
            paragraphs=("Each panel compares two models.",),
            figures=(FIGURE,),
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
                    (("vit", Estimate(0.72, 0.70, 0.74)),),
                    "does not hold",
                ),
            ),
        ),
    ),
    provenance=(Group("Images", (("digest", "sha256:0123"),)),),
    data=(Csv("cka", NUMBERS, "One line a tap."),),
    warnings=("2 images were left out.",),
    notes=("Depth is the place of a tap.",),
)


class Parsed(html.parser.HTMLParser):
    """Tags with their attributes, and the text outside style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data):
        if self._inside != "style":
            self.words += data.split()

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
    assert all(address.startswith(("data:", "#")) for address in links)
    assert not page.all("script")
    assert not page.all("link")
    assert len(page.all("style")) == 1
    text = (tmp_path / "index.html").read_text()
    assert "url(" not in text
    assert "@import" not in text


def test_every_link_within_the_page_arrives(tmp_path):
    page = read(write(tmp_path, PAGE))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    inner = {a["href"] for a in page.all("a") if (a["href"] or "").startswith("#")}
    assert {"#section-1", "#section-2", "#provenance", "#data", "#notes", "#data-cka"} <= inner
    assert {address.removeprefix("#") for address in inner} <= set(ids)


def test_pictures_and_numbers_are_embedded_unchanged(tmp_path):
    page = read(write(tmp_path, PAGE))
    (image,) = page.all("img")
    kind, _, content = image["src"].partition(";base64,")
    assert (kind, base64.b64decode(content)) == ("data:image/png", FIGURE.png)
    assert image["alt"] == "ViT is uniform"
    # Drawn at two pixels for each pixel of the page.
    assert (image["width"], image["height"]) == ("20", "10")
    taken = {a["download"]: a["href"] for a in page.all("a") if "download" in a}
    assert set(taken) == {"all-pairs.svg", "cka.csv"}
    assert base64.b64decode(taken["cka.csv"].partition(";base64,")[2]).decode() == NUMBERS
    assert base64.b64decode(taken["all-pairs.svg"].partition(";base64,")[2]) == SVG


def test_numbers_too_long_to_embed_stay_beside_the_page(tmp_path):
    long = "tap,cka\n" + "blocks.0,0.5\n" * 100_000
    page = read(write(tmp_path, replace(PAGE, data=(Csv("cka", long),))))
    assert {a["href"] for a in page.all("a")} >= {"data/cka.csv"}
    assert "1.3 MB, beside this page" in page.text
    assert (tmp_path / "data/cka.csv").read_text() == long


def test_everything_that_was_given_is_said(tmp_path):
    text = read(write(tmp_path, PAGE)).text
    for words in (
        "The ViT is uniform.",
        "Each panel compares two models.",
        "CKA of all pairs",
        "The ViT's quarters are more alike.",
        "0.72 [0.70, 0.74]",
        "✗ does not hold",
        "2 images were left out.",
        "Depth is the place of a tap.",
        "sha256:0123",
        "One line a tap.",
    ):
        assert words in text


def test_numbers_stand_right_and_are_written_for_readers(tmp_path):
    page = read(write(tmp_path, PAGE))
    cells = [attributes.get("class") for attributes in page.all("td")][:8]
    assert cells == [None, "number", "number", "number"] * 2
    for shown in ("0.886", "612\N{NARROW NO-BREAK SPACE}346", "0.500 [0.250, 0.750]"):
        assert shown in (tmp_path / "index.html").read_text()
    assert "vit 0.886" in page.text
    assert "resnet \N{EN DASH} 7 \N{MINUS SIGN}0.125" in page.text


def test_hostile_text_is_shown_and_never_run(tmp_path):
    attribute = f'"onload="x {HOSTILE}'
    page = Page(
        title=HOSTILE,
        lead=(HOSTILE,),
        sections=(
            Section(
                HOSTILE,
                (HOSTILE,),
                (Check(HOSTILE, HOSTILE, ((HOSTILE, Estimate(1.0)),), "holds", remark=HOSTILE),),
                (Figure("a", picture(), SVG, attribute, HOSTILE),),
                (Table((HOSTILE,), ((HOSTILE,),), caption=attribute),),
            ),
        ),
        provenance=(Group(HOSTILE, ((HOSTILE, HOSTILE),)),),
        data=(Csv("a", HOSTILE, HOSTILE),),
        warnings=(HOSTILE,),
        notes=(HOSTILE,),
    )
    found = read(write(tmp_path, page))
    assert not found.all("script")
    assert not any("onload" in attributes for _, attributes in found.tags)
    (image,) = found.all("img")
    assert image["alt"] == attribute
    assert found.text.count(HOSTILE) >= 14


@pytest.mark.parametrize("name", ["../up", "a/b", "Upper", "", "a b", "-a", "a.b", "ä", "a\n"])
def test_a_name_unfit_for_a_file_is_refused(tmp_path, name):
    figure = replace(FIGURE, name=name)
    page = replace(PAGE, sections=(Section("s", figures=(figure,)),))
    with pytest.raises(StorageError, match="cannot name a file"):
        write(tmp_path / "r", page)
    with pytest.raises(StorageError, match="cannot name a file"):
        write(tmp_path / "r", replace(PAGE, data=(*PAGE.data, Csv(name, ""))))
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (Section("s", figures=(FIGURE, FIGURE)), "'all-pairs' stands twice"),
        (Section("s", figures=(replace(FIGURE, png=b"no"),)), "is no PNG"),
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
    assert len(order) == 4


def test_files_of_the_replaced_page_go_and_others_stay(tmp_path):
    write(tmp_path, PAGE)
    (tmp_path / "data" / "mine.csv").write_text("keep")
    figure = replace(FIGURE, name="other")
    write(tmp_path, replace(PAGE, sections=(Section("s", figures=(figure,)),)))
    assert set(snapshot(tmp_path)) == {
        "index.html",
        "figures/other.png",
        "figures/other.svg",
        "data/cka.csv",
        "data/mine.csv",
    }


def test_another_programs_page_is_not_overwritten(tmp_path):
    (tmp_path / "index.html").write_text("<h1>mine</h1>")
    with pytest.raises(StorageError, match="is no seelike report"):
        write(tmp_path, PAGE)
    assert (tmp_path / "index.html").read_text() == "<h1>mine</h1>"


def test_the_same_page_gives_the_same_bytes(tmp_path):
    first = write(tmp_path / "a", PAGE).read_bytes()
    assert write(tmp_path / "b", PAGE).read_bytes() == first
