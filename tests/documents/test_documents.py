"""What the documents say is so: the reference is the models', links arrive."""

import re
from pathlib import Path

import pytest

from seelike.flows.study.reference_page import reference

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PATH = r"`((?:flows|tasks|analysis|storage|tests|studies|benchmarks)/[\w/.]+)`"


def test_the_reference_of_the_study_file_is_up_to_date() -> None:
    assert (DOCS / "study.md").read_text() == reference(), "run `make docs`"
    assert "| `similarity` |" in reference()
    assert "## models.training.recipe" in reference()


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may name, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")]))
def test_every_link_arrives_and_every_path_is_there(page: Path) -> None:
    for address in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in address:
            assert (page.parent / address).exists(), address
    for address, anchor in re.findall(r"\]\(([^):\s]*)#([^)\s]+)\)", page.read_text()):
        target = page.parent / address if address else page
        assert anchor in anchors(target), f"{address}#{anchor}"
    for path in re.findall(PATH, page.read_text()):
        assert (ROOT / path).exists(), path
