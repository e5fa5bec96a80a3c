"""`import seelike`: what it offers, what it costs, and what old names answer."""

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import seelike
import seelike.networks
from seelike.analysis.errors import AnalysisError

ROOT = Path(__file__).parents[1]


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own, in a folder."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    assert set(seelike.__all__) <= set(dir(seelike))
    for name in seelike.__all__:
        assert getattr(seelike, name).__doc__, name


def test_every_public_function_has_an_example() -> None:
    docs = {name: str(getattr(seelike, name).__doc__) for name in seelike.__all__}
    assert not [name for name, text in docs.items() if ">>>" not in text]


@pytest.mark.parametrize(
    "module", ["seelike", "seelike.networks", "seelike.flows.study.study", "seelike.flows.compare"]
)
def test_examples_give_what_they_say(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 0
    assert found.failed == 0


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(AttributeError, match="map_models"):
        _ = seelike.maps  # type: ignore[attr-defined]


def test_importing_it_imports_no_framework(tmp_path: Path) -> None:
    heavy = "{'torch', 'timm', 'prefect', 'dask', 'xarray', 'matplotlib', 'numpy', 'pydantic'}"
    done = python(f"import sys, seelike; print({heavy} & set(sys.modules))", tmp_path)
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize("name", ["flows", "tasks", "analysis", "storage"])
@pytest.mark.parametrize("folder", [ROOT, None], ids=["checkout", "elsewhere"])
def test_an_old_name_is_answered_with_the_new_one(
    name: str, folder: Path | None, tmp_path: Path
) -> None:
    done = python(f"import seelike\nfrom {name}.compare import compare", folder or tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ModuleNotFoundError")
    assert f"seelike.{name}" in last


def test_modules_of_ones_own_with_old_names_are_imported(tmp_path: Path) -> None:
    for name in ("flows", "tasks", "analysis", "storage"):
        (tmp_path / f"{name}.py").write_text("mine = True")
    code = (
        "import analysis, flows, seelike, storage, tasks\n"
        "print(analysis.mine, flows.mine, storage.mine, tasks.mine)\n"
        "print(seelike.cka([[1.0], [2.0], [4.0], [9.0]], [[2.0], [4.0], [8.0], [18.0]]))"
    )
    done = python(code, tmp_path)
    assert done.stdout.split() == ["True"] * 4 + ["1.0"], done.stderr


def test_recording_pictures_is_recording_what_the_transform_makes_of_them() -> None:
    vit = seelike.load("zoo:vit")
    noise = np.random.default_rng(0).integers(0, 255, (5, 28, 28), dtype=np.uint8)
    pictures = [Image.fromarray(one) for one in noise]
    prepare = seelike.networks.transform(vit)
    batch = torch.stack([prepare(one) for one in pictures])
    of_pictures = seelike.record(vit, pictures, layers="blocks", batch=2)
    of_tensor = seelike.record(vit, batch, layers="blocks", batch=5)
    assert list(of_pictures) == [layer.name for layer in seelike.layers(vit)]
    for name, one in of_pictures.items():
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, of_tensor[name], rtol=1e-5, atol=1e-5)


def test_wrong_input_is_refused_with_a_remedy() -> None:
    vit = seelike.load("zoo:vit")
    with pytest.raises(AnalysisError, match=r"blocks\.\*\.mlp'"):
        seelike.layers(vit, ["blocks.*.mlpp"])
    with pytest.raises(AnalysisError, match="no images"):
        seelike.record(vit, [])
    with pytest.raises(AnalysisError, match="batch is 0"):
        seelike.record(vit, torch.zeros(1, 1, 28, 28), batch=0)
    with pytest.raises(AnalysisError, match="comes with its weights"):
        seelike.load("zoo:vit", pretrained=True)
