import numpy as np
import pytest
import torch

from analysis.networks import training, zoo
from analysis.networks.training import Recipe
from storage import training_states
from storage.store import make_store

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
