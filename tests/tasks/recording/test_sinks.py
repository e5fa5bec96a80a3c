"""Forward passes hand activations to sinks: each keeps what the plain functions compute."""

from pathlib import Path

import numpy as np
import pytest
import torch

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks import record, taps, transform
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.networks.recording.device_gram import device_gram
from seelike.analysis.similarity import NonFinite, signature, unit
from seelike.analysis.similarity.nearest.sketches import Projection
from seelike.storage.images import ImageSet, from_sample
from seelike.storage.store import Store, make_store
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.planning.survey import network_of, survey
from seelike.tasks.recording.activation_errors import (
    NonFiniteImage,
    UnfitLayer,
    image_named,
    in_batch,
    in_layer,
)
from seelike.tasks.recording.forward_passes import run_passes
from seelike.tasks.recording.record import Shard, record_missing
from seelike.tasks.recording.signatures import finish_on_host

COUNT, BATCH = 11, 6
PROJECTION = Projection(64)


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return from_sample(count=COUNT)


@pytest.fixture(scope="module")
def plan(images: ImageSet) -> ModelPlan:
    model = StudyModel(ModelSpec("ResNet", zoo="resnet"), ("layer1.0", "layer2.1"), trained=True)
    made: ModelPlan = survey.fn(
        model, images=images.digest, count=COUNT, batch=BATCH, reduction="flatten"
    )
    return made


@pytest.fixture(scope="module")
def activations(plan: ModelPlan, images: ImageSet) -> dict[str, np.ndarray]:
    network = network_of(plan.subject)
    chosen = taps(network, list(plan.subject.patterns or ()))
    x = torch.stack([transform(network)(images.read(i)) for i in range(COUNT)])
    (made,) = record(network, chosen, [x])
    return dict(made)


def shard(plan: ModelPlan, keep: str) -> Shard:
    return Shard(plan, keep, 0, range(len(plan.bounds)), PROJECTION)


def keep_all(plan: ModelPlan, images: ImageSet, store: Store, *, keep: str) -> None:
    options = {"store": store.url, "device": "cpu", "forward_batch": 4}
    assert record_missing(shard(plan, keep), images, **options) == 2  # type: ignore[arg-type]
    assert record_missing(shard(plan, keep), images, **options) == 0  # type: ignore[arg-type]


def test_activations_are_kept_as_the_network_gives_them(
    tmp_path: Path, plan: ModelPlan, images: ImageSet, activations: dict[str, np.ndarray]
) -> None:
    store = make_store(str(tmp_path))
    keep_all(plan, images, store, keep="activations")
    kept = shard(plan, "activations").sink(store).kept  # type: ignore[attr-defined]
    for tap, x in activations.items():
        np.testing.assert_allclose(kept.read_images(0, COUNT, tap), x, rtol=1e-4, atol=1e-5)


def test_signatures_are_those_of_the_activations(
    tmp_path: Path, plan: ModelPlan, images: ImageSet, activations: dict[str, np.ndarray]
) -> None:
    store = make_store(str(tmp_path))
    keep_all(plan, images, store, keep="signatures")
    kept = shard(plan, "signatures").sink(store).kept["cka"]  # type: ignore[attr-defined]
    for batch, (start, stop) in enumerate(plan.bounds):
        directions, lengths = kept.read(batch)
        for row, tap in enumerate(kept.taps):
            direction, length = unit(signature(activations[tap][start:stop]))
            np.testing.assert_allclose(directions[row, : len(direction)], direction, atol=1e-4)
            assert lengths[row] == pytest.approx(length, rel=1e-4)


def test_a_sink_that_is_entered_again_goes_on_with_what_is_missing(
    tmp_path: Path, plan: ModelPlan, images: ImageSet
) -> None:
    store, network = make_store(str(tmp_path)), network_of(plan.subject)
    for keep in ("activations", "signatures", "sketches"):
        sink = shard(plan, keep).sink(store)
        left = [sink.missing()]
        for batch in (1, 0):
            run_passes(network, plan, images, sink, [batch], step="x", forward_batch=4)
            left.append(sink.missing())
        assert left == [[0, 1], [0], []]


def test_an_error_gains_layer_model_and_image_on_its_way_out(images: ImageSet) -> None:
    with pytest.raises(NonFiniteImage) as error, in_batch("ViT", 6), in_layer("norm"):
        raise NonFinite(3)
    assert (error.value.model, error.value.layer, error.value.number) == ("ViT", "norm", 9)
    with (
        pytest.raises(AnalysisError, match=f"norm in ViT .* {images.ids[9]};"),
        image_named(images),
    ):
        raise error.value
    with pytest.raises(UnfitLayer, match="norm: too few"), in_layer("norm"):
        raise AnalysisError("too few")
    with pytest.raises(AnalysisError, match="ViT, layer norm: too few"), in_batch("ViT", 0):
        raise UnfitLayer("norm", "too few")


def test_a_gram_left_on_a_device_becomes_the_signature_of_its_activations() -> None:
    x = torch.randn(7, 30, generator=torch.Generator().manual_seed(0))
    (direction, length) = finish_on_host("norm", device_gram(x))["cka"]
    exact_direction, exact_length = unit(signature(x.numpy()))
    np.testing.assert_allclose(direction, exact_direction, atol=1e-6)
    assert length == pytest.approx(exact_length, rel=1e-6)
    x[4, 3] = float("nan")
    with pytest.raises(NonFinite) as error:
        finish_on_host("norm", device_gram(x))
    assert (error.value.row, error.value.tap) == (4, "norm")
