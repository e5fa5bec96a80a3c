"""A report that would be drawn the same is kept; one that is damaged or of other numbers is not."""

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from seelike.storage.reports.write import Csv, Figure, Page, Section
from seelike.tasks.reports.elements.keeping import keep_or_draw


def picture() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (4, 4)).save(content, "png")
    return content.getvalue()


PAGE = Page(
    title="How alike are they?",
    lead=("Very.",),
    sections=(
        Section(
            "Within",
            figures=(Figure("vit", picture(), b"<svg/>", "alt", "caption", data="cka"),),
            data=(Csv("cka", "a,b\n", "numbers"),),
        ),
    ),
)
OF = {"comparison": "ab" * 32, "missing": {}}


class Drawing:
    """Counts how often it is asked to draw."""

    def __init__(self, page: Page = PAGE) -> None:
        self.page = page
        self.times = 0

    def __call__(self) -> Page:
        self.times += 1
        return self.page


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the report."""
    made = tmp_path / "report"
    keep_or_draw(str(made), Drawing(), of=OF, store="/data/store", study="demo")
    return made


def again(folder: Path, *, of: Mapping[str, Any] = OF, store: str = "/data/store") -> int:
    """How often the report is drawn when it is asked for once more."""
    drawing = Drawing()
    index = keep_or_draw(str(folder), drawing, of=of, store=store, study="demo")
    assert index == str(folder / "index.html")
    return drawing.times


def test_the_same_report_is_not_drawn_again(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert again(folder) == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize(
    "changed",
    [
        {"of": OF | {"comparison": "cd" * 32}},
        {"of": OF | {"missing": {"ResNet": "no weights"}}},
        {"store": "/data/other"},
    ],
)
def test_other_numbers_failures_or_stores_are_drawn(folder, changed):
    assert again(folder, **changed) == 1


@pytest.mark.parametrize(
    "name",
    [
        *("index.html", "provenance.json", "artifacts.json"),
        *("figures/vit.png", "figures/vit.svg", "data/cka.csv"),
    ],
)
@pytest.mark.parametrize("damage", ["delete", "empty", "flip"])
def test_a_damaged_report_is_drawn_again(folder, name, damage):
    before = contents(folder)
    path = folder / name
    if damage == "delete":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert again(folder) == 1
    assert contents(folder) == before


def test_files_that_the_new_report_lacks_are_removed(folder):
    page = dataclasses.replace(PAGE, sections=())
    keep_or_draw(str(folder), Drawing(page), of=OF | {"missing": {"ViT": "-"}})
    assert set(contents(folder)) == {"index.html", "provenance.json"}


def test_a_report_of_a_version_before_is_drawn(folder):
    (folder / "provenance.json").write_text('{"format": 1, "store": "", "figures": {}}')
    assert again(folder) == 1
