import numpy as np
import pytest
import torch

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks import training
from seelike.analysis.networks.loading import zoo
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.networks.loading.skip_free import SkipFreeBlock, skip_free, without_skips
from seelike.analysis.networks.training import Recipe
from seelike.storage.networks import training_states
from seelike.storage.store import make_store

RECIPE = Recipe(epochs=3, batch=16)


@pytest.fixture
def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(40) % 10
    return torch.randn(40, 1, 28, 28, generator=generator) + labels[:, None, None, None], labels


@pytest.mark.parametrize("family", ["vit", "resnet"])
def test_a_training_resumed_from_its_kept_state_ends_with_the_same_weights(
    tmp_path, data: tuple[torch.Tensor, torch.Tensor], family: str
) -> None:
    whole = zoo.build(family, seed=1)
    epochs = list(training.epochs(whole, *data, recipe=RECIPE, seed=1))
    assert [epoch.number for epoch in epochs] == [0, 1, 2]

    store = make_store(str(tmp_path / "store"))
    kept = {key: value.numpy() for key, value in epochs[0].state.items()}
    training_states.write(store, "a", state=kept, curve=[{"loss": epochs[0].loss}])
    found = training_states.read(store, "a")
    assert found is not None
    state, curve = found
    assert curve == [{"loss": epochs[0].loss}]

    resumed = zoo.build(family, seed=7)
    rest = list(
        training.epochs(
            resumed,
            *data,
            recipe=RECIPE,
            seed=1,
            state={key: torch.from_numpy(value) for key, value in state.items()},
        )
    )
    assert [epoch.number for epoch in rest] == [1, 2]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_finished_training_gives_its_weights_back(
    data: tuple[torch.Tensor, torch.Tensor],
) -> None:
    network = zoo.build("vit", seed=0)
    *_, last = training.epochs(network, *data, recipe=RECIPE, seed=0)
    again = zoo.build("vit", seed=5)
    assert list(training.epochs(again, *data, recipe=RECIPE, seed=0, state=last.state)) == []
    assert torch.equal(again.state_dict()["pos_embed"], network.state_dict()["pos_embed"])


def test_the_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    rates = [training.rate(step, 100, recipe=RECIPE) for step in range(100)]
    assert max(rates) == pytest.approx(RECIPE.peak_rate)
    assert np.argmax(rates) in (19, 20)
    assert rates[-1] < 0.001 * RECIPE.peak_rate


def test_a_pass_over_few_images_is_repeated_until_there_are_as_many() -> None:
    order = training.passes(6, 20, torch.Generator().manual_seed(0)).tolist()
    assert len(order) == 20
    for start in (0, 6, 12):
        assert sorted(order[start : start + 6]) == list(range(6))
    assert order[:6] != order[6:12]
    assert len(set(order[18:])) == 2
    # One pass is the shuffle that a training without fractions made.
    whole = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    assert torch.equal(training.passes(9, 9, torch.Generator().manual_seed(1)), whole)


def test_a_fraction_gets_as_many_steps_as_the_whole(
    data: tuple[torch.Tensor, torch.Tensor],
) -> None:
    made: list[tuple[int, int]] = []
    few = (data[0][:10], data[1][:10])
    network = zoo.build("vit", seed=0)
    list(
        training.epochs(
            network,
            *few,
            recipe=Recipe(epochs=1, batch=16),
            seed=0,
            images_per_epoch=len(data[1]),
            on_step=lambda step, steps: made.append((step, steps)),
        )
    )
    assert made == [(1, 3), (2, 3), (3, 3)]


def test_a_block_without_skips_is_its_two_branches_one_after_the_other() -> None:
    intact, broken = zoo.build("vit", seed=5), zoo.build("vit-skip-free-4", seed=5)
    assert [type(block) is SkipFreeBlock for block in broken.blocks] == [i == 4 for i in range(8)]
    weights = broken.state_dict()
    assert weights.keys() == intact.state_dict().keys()
    assert all(torch.equal(weights[name], value) for name, value in intact.state_dict().items())

    x = torch.randn(3, 50, 96, generator=torch.Generator().manual_seed(0))
    part = intact.blocks[4]
    with torch.inference_mode():
        attended = part.attn(part.norm1(x))
        torch.testing.assert_close(broken.blocks[4](x), part.mlp(part.norm2(attended)))
        stream = x + attended
        torch.testing.assert_close(part(x), stream + part.mlp(part.norm2(stream)))
        torch.testing.assert_close(broken.blocks[3](x), intact.blocks[3](x))


def test_any_vit_of_timm_can_be_built_without_the_skips_of_one_block() -> None:
    tiny = {"img_size": 32, "patch_size": 16, "embed_dim": 24, "depth": 3, "num_heads": 2}
    spec = ModelSpec("tiny", timm="vit_tiny_patch16_224", arguments=tiny | {"skip_free": 1})
    found = load(spec)
    assert skip_free(found) == 1
    assert found.identity()["arguments"]["skip_free"] == 1
    for wrong in (3, -1, "1"):
        arguments = tiny | {"skip_free": wrong}
        with pytest.raises(AnalysisError, match=r"skip_free is .*this network has blocks 0 to 2"):
            load(ModelSpec("tiny", timm="vit_tiny_patch16_224", arguments=arguments))
    with pytest.raises(AnalysisError, match="this network has none"):
        without_skips(zoo.build("resnet", seed=0), 0)


def test_a_vit_that_is_pooled_has_patches_alone_and_learns(
    data: tuple[torch.Tensor, torch.Tensor],
) -> None:
    network = zoo.build("vit-gap", seed=0)
    assert network.cls_token is None
    with torch.inference_mode():
        assert network.forward_features(data[0][:2]).shape == (2, 49, 96)
    few = (data[0][:16], data[1][:16])
    first, *_, last = training.epochs(network, *few, recipe=RECIPE, seed=0)
    assert last.loss < first.loss
