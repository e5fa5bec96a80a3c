"""The paper's own models, untrained, from their study to the report: `make test-slow`."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from seelike.analysis.claims import CLAIMS
from seelike.flows.reproduce import reproduce
from seelike.flows.study.reading import read_study

STUDY = Path(__file__).parent.parent.parent / "studies" / "paper-imagenet.yaml"
# The smaller half: 2 GB of memory, 4 minutes of a processor.
SMALLER = ["ViT-B-32", "ViT-B-32 small data", "R50x1", "Mixer-B-16"]
IMAGES, BATCH = 8, 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of noise, as a folder of ImageNet has its images."""
    rng = np.random.default_rng(0)
    for number in range(IMAGES):
        own = tmp_path / "val" / f"n{number % 2:08d}"
        own.mkdir(parents=True, exist_ok=True)
        noise = Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8))
        noise.resize((256, 256)).save(own / f"{number}.JPEG")
    return tmp_path


@pytest.fixture
def server() -> Iterator[None]:
    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


def settings(folder: Path) -> list[str]:
    """The study on the images of ``folder``, few of them, without weights to download."""
    models = read_study(STUDY).models
    return [
        f"images.source=folder:{folder / 'val'}",
        f"images.count={IMAGES}",
        f"batch={BATCH}",
        f"store={folder / 'store'}",
        f"report={folder / 'report'}",
        "receptive_field_images=4",
        *(f"models.{i}.pretrained=false" for i in range(len(models))),
    ]


def test_every_model_of_the_study_is_one_that_timm_has_weights_for() -> None:
    import timm  # After the network room, which makes ready what timm imports.

    study = read_study(STUDY)
    assert study.keep == "signatures"
    for model in study.models:
        assert model.pretrained and model.timm is not None
        assert timm.is_model_pretrained(model.timm), model.timm
    families = {str(model.timm).split("_")[0] for model in study.models}
    assert families == {"vit", "resnetv2", "mixer"}


@pytest.mark.slow
def test_the_study_runs_end_to_end(folder: Path, server: None) -> None:  # noqa: ARG001
    whole = read_study(STUDY, settings=settings(folder))
    chosen = [model for model in whole.models if model.name in SMALLER]
    assert len(chosen) == len(SMALLER)
    found = reproduce(whole.changed(models=chosen))
    assert found.comparison.recorded == len(SMALLER) * IMAGES // BATCH
    page = html.unescape(re.sub(r"<[^>]*>", " ", (folder / "report" / "index.html").read_text()))
    for claim in CLAIMS:
        assert claim.sentence in re.sub(r"\s+", " ", page)
    assert "No model of the study is trained" in page
