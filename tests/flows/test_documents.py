"""What the documents say is so: the reference is the models', and the ways to add things work."""

import re
from pathlib import Path

import pytest

from flows.study_reference import reference

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PATH = r"`((?:flows|tasks|analysis|storage|tests|studies|benchmarks)/[\w/.]+)`"


def python_of(name: str) -> list[str]:
    """The Python blocks of a document."""
    return re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)


def test_the_reference_of_the_study_file_is_up_to_date() -> None:
    assert (DOCS / "study.md").read_text() == reference(), "run `make docs`"
    assert "| `similarity` |" in reference()
    assert "## models.training.recipe" in reference()


@pytest.mark.parametrize("page", sorted([*DOCS.glob("*.md"), *ROOT.glob("*.md")]))
def test_every_link_arrives_and_every_path_is_there(page: Path) -> None:
    for address in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in address:
            assert (page.parent / address).exists(), address
    for path in re.findall(PATH, page.read_text()):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("name", ["adding-a-measure", "adding-a-tap-set", "adding-an-analysis"])
def test_the_way_to_add_something_works_as_it_is_written(name: str) -> None:
    blocks = python_of(f"{name}.md")
    assert any("assert " in block for block in blocks)
    exec(compile("\n".join(blocks), f"{name}.md", "exec"), {"__name__": name})
