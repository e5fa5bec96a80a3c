"""Localization of a network: batches in groups and in pieces give the CKA of all batches."""

import numpy as np
import pytest
import torch

import seelike.tasks.anatomy.localization
from seelike.analysis.networks import taps, transform
from seelike.analysis.networks.anatomy.tokens import pixel_patches, tokens
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.similarity.parts.localization import localize
from seelike.storage.images import from_sample
from seelike.tasks.anatomy.context import AnalysisInput
from seelike.tasks.anatomy.localization import localization
from seelike.tasks.planning.plans import StudyModel


def test_groups_of_batches_have_the_cka_of_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seelike.tasks.anatomy.localization, "BATCH", 8)
    monkeypatch.setattr(seelike.tasks.anatomy.localization, "GROUPS", 2)
    spec = ModelSpec("ViT", zoo="vit", seed=0)
    network, images = load(spec), from_sample(count=30)
    seen = AnalysisInput(
        network, StudyModel(spec, ("blocks.6",), False), images, 30, 5, "localization"
    )
    found = localization(seen)
    (tap,) = taps(network, ["blocks.6"])
    x = torch.stack([transform(network)(images.read(i)) for i in range(30)])
    batches = x.split(8)
    expected = localize(
        tokens(network, tap, batches), (pixel_patches(batch, (7, 7)) for batch in batches)
    )
    (at,) = np.flatnonzero((found["tap"] == "blocks.6") & (found["patches"] == "pixels"))
    np.testing.assert_allclose(found["cka"].values[at], expected.cka(), atol=1e-5)
    # Batches of 8 of 30 images, the last joined to the one before, in groups of two.
    assert found["share_without"].sizes["left_out"] == 2
    assert found["left_out_factor"].values.tolist() == [0, 0]
    for name in ("share", "rank", "z", "inside_share"):
        assert (found[f"{name}_low"] <= found[name]).all(), name
        assert (found[name] <= found[f"{name}_high"]).all(), name
    assert found["shown"].values.tolist()[0] == [0, 0]
