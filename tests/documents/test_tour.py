"""The notebook runs from top to bottom, in the folder of the project, and says what it promises."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from prefect.settings import PREFECT_API_URL

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server_of_the_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """One server for all runs of the notebook: its own process would start one for each."""
    monkeypatch.setitem(os.environ, "PREFECT_API_URL", str(PREFECT_API_URL.value()))


@pytest.mark.usefixtures("server", "server_of_the_notebook")
def test_the_tour_runs_and_records_the_new_model_alone() -> None:
    notebook = nbformat.read(ROOT / "docs" / "tour.ipynb", as_version=4)
    # Committed without outputs: what a reader sees there is what this run makes.
    assert not any(cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    assert printed.count("is most like") == 9
    assert "batches recorded: 4" in printed
    assert "report written: index.html" in printed
    kinds = [
        kind for c in notebook.cells for o in c.get("outputs", []) for kind in o.get("data", ())
    ]
    assert "image/png" in kinds
    assert "text/html" in kinds
