"""The diagrams of docs/architecture.md are the imports that there are."""

import re
from pathlib import Path

import grimp
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
DIAGRAMS = re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)

Edges = set[tuple[str, str]]


def drawn(diagram: str) -> Edges:
    return set(re.findall(r"(\w+) --> (\w+)", diagram))


def imported(package: str) -> Edges:
    graph = grimp.build_graph("seelike", cache_dir=None)
    owners = {
        module: child
        for child in graph.find_children(package)
        for module in {child, *graph.find_descendants(child)}
    }
    return {
        (owners[module].rpartition(".")[2], owners[other].rpartition(".")[2])
        for module in owners
        for other in graph.find_modules_directly_imported_by(module)
        if owners.get(other, owners[module]) != owners[module]
    }


def test_the_packages() -> None:
    packages = {"flows", "tasks", "analysis", "storage"}
    real = {edge for edge in imported("seelike") if set(edge) <= packages}
    assert drawn(DIAGRAMS[0]) == real


def test_the_steps() -> None:
    assert drawn(DIAGRAMS[1]) == imported("seelike.tasks")


@pytest.mark.parametrize("package", ["seelike.analysis", "seelike.storage"])
def test_the_other_packages_import_in_no_circle(package: str) -> None:
    edges = imported(package)
    assert not {(a, b) for a, b in edges if (b, a) in edges}
