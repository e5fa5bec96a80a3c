from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import hooked, record, summarise

SIZE = (3, 12, 12)


class Overwriting(nn.Module):
    """Every ReLU and the residual sum overwrite the tensor that the module before gave."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(4)
        self.out = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn1(self.conv1(x)))
        branch = self.bn2(self.conv2(x))
        branch += x
        out: Tensor = self.out(branch)
        return out

    def kept(self, x: Tensor) -> dict[str, Tensor]:
        """The same forward pass without anything in place."""
        steps = {"conv1": self.conv1(x)}
        steps["bn1"] = self.bn1(steps["conv1"])
        steps["act"] = steps["bn1"].clamp(min=0)
        steps["conv2"] = self.conv2(steps["act"])
        steps["bn2"] = self.bn2(steps["conv2"])
        steps["out"] = (steps["bn2"] + steps["act"]).clamp(min=0)
        return steps


def wrap(module: nn.Module) -> Network:
    return Network(name="tiny", module=module, input_size=SIZE, data_config={}, architecture="tiny")


def overwriting() -> Network:
    torch.manual_seed(3)
    module = Overwriting()
    for part in (module.bn1, module.bn2):
        nn.init.normal_(part.running_mean)  # type: ignore[arg-type]
        nn.init.normal_(part.bias)
    return wrap(module)


def images(count: int, size: tuple[int, ...] = SIZE) -> Tensor:
    return torch.randn((count, *size), generator=torch.Generator().manual_seed(5))


def no_hooks(network: Network) -> bool:
    return not any(m._forward_hooks or m._forward_pre_hooks for m in network.module.modules())


@pytest.mark.parametrize("pieces", [1, 3])
def test_in_place_operations_do_not_reach_what_was_recorded(pieces: int) -> None:
    network, x = overwriting(), images(6)
    (recorded,) = record(network, taps(network, "*"), [list(x.tensor_split(pieces))])
    assert isinstance(network.module, Overwriting)
    expected = network.module.kept(x)
    assert list(recorded) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(recorded[name], value.numpy(), atol=1e-6, err_msg=name)
    assert (recorded["bn1"] < 0).any()
    assert (recorded["bn2"] < 0).any()


def test_an_input_is_recorded_as_it_goes_in() -> None:
    network, x = overwriting(), images(4)
    (recorded,) = record(network, taps(network, ["act:input", "out:input"]), [x])
    assert isinstance(network.module, Overwriting)
    expected = network.module.kept(x)
    np.testing.assert_allclose(recorded["act:input"], expected["bn1"].numpy(), atol=1e-6)
    summed = expected["bn2"] + expected["act"]
    np.testing.assert_allclose(recorded["out:input"], summed.numpy(), atol=1e-6)


def small_vit() -> Network:
    small = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 2}
    return load(ModelSpec("vit", timm="vit_tiny_patch16_224", arguments=small))


@pytest.mark.parametrize("reduction", ["flatten", "cls", "mean", "tokens"])
@pytest.mark.parametrize("size", [1, 3, 4, 7])
def test_forward_batches_give_what_one_go_gives(reduction: str, size: int) -> None:
    network, x = small_vit(), images(7, (3, 32, 32))
    chosen = taps(network, ["blocks.*", "blocks.*.mlp.act"])
    (whole,) = record(network, chosen, [x], reduction=reduction)
    (pooled,) = record(network, chosen, [x.split(size)], reduction=reduction)
    assert list(whole) == list(pooled) == [tap.name for tap in chosen]
    for name in whole:
        assert pooled[name].shape == whole[name].shape
        assert pooled[name].dtype == whole[name].dtype == np.float32
        np.testing.assert_allclose(pooled[name], whole[name], atol=1e-6)


def test_batches_stay_apart_and_in_order() -> None:
    network, x = small_vit(), images(10, (3, 32, 32))
    chosen = taps(network, ["blocks.1"])
    (whole,) = record(network, chosen, [x])
    batches = [x[:4], iter(x[4:9].split(2)), x[9:]]
    recorded = [batch["blocks.1"] for batch in record(network, chosen, batches)]
    assert [len(batch) for batch in recorded] == [4, 5, 1]
    np.testing.assert_allclose(np.concatenate(recorded), whole["blocks.1"], atol=1e-6)


def test_images_are_taken_as_they_are_needed() -> None:
    network, x = small_vit(), images(6, (3, 32, 32))
    taken = []

    def batches() -> Iterator[Tensor]:
        for batch in x.split(2):
            taken.append(len(batch))
            yield batch

    recorded = record(network, taps(network), batches())
    assert not taken
    next(recorded)
    assert len(taken) == 1


def test_a_summary_sees_each_tap_when_it_fires_and_the_whole_batch() -> None:
    network, x = overwriting(), images(6)
    seen: list[tuple[str, tuple[int, ...], bool]] = []

    def norms(tap: Tap, values: Tensor) -> Tensor:
        seen.append((tap.name, tuple(values.shape), values.dtype == torch.float32))
        return values.flatten(1).norm(dim=1)

    chosen = taps(network, ["act", "out"])
    (live,) = summarise(network, chosen, [x], summary=norms)
    (pooled,) = summarise(network, chosen, [x.split(4)], summary=norms)
    assert seen == [("act", (6, 4, 12, 12), True), ("out", (6, 4, 12, 12), True)] * 2
    assert isinstance(network.module, Overwriting)
    expected = network.module.kept(x)
    for found in (live, pooled):
        for name in ("act", "out"):
            torch.testing.assert_close(found[name], expected[name].flatten(1).norm(dim=1))


def test_half_precision_is_raised_and_infinity_passed_on() -> None:
    network = wrap(nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten()).to(torch.bfloat16))
    x = images(2)
    x[1] = torch.inf
    (recorded,) = record(network, taps(network, "*"), [x])
    assert recorded["0"].dtype == np.float32
    assert np.isfinite(recorded["0"][0]).all()
    assert not np.isfinite(recorded["0"][1]).any()


class Failing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 2, 1)
        self.fail = False

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        if self.fail:
            raise RuntimeError("out of luck")
        return x


def test_hooks_are_gone_after_a_failure_in_the_network() -> None:
    network = wrap(Failing())
    chosen = taps(network, "*")
    network.module.fail = True  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match="out of luck"):
        next(record(network, chosen, [images(2)]))
    assert no_hooks(network)
    with pytest.raises(RuntimeError, match="out of luck"):
        taps(network, "*")
    assert no_hooks(network)


def test_hooks_are_gone_after_a_failing_summary_and_between_batches() -> None:
    network = overwriting()
    chosen = taps(network, "*")

    def refuse(tap: Tap, x: Tensor) -> None:
        raise ValueError(f"no {tap.name} of {len(x)}")

    with pytest.raises(ValueError, match="no conv1 of 2"):
        next(summarise(network, chosen, [images(2)], summary=refuse))
    assert no_hooks(network)
    recorded = record(network, chosen, [images(2), images(2)])
    next(recorded)
    assert no_hooks(network)
    assert not torch.is_inference_mode_enabled()


class Fickle(nn.Module):
    """Runs one of its parts as often as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Identity()
        self.times = 2

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.times):
            x = self.part(x)
        return x


@pytest.mark.parametrize("times", [0, 1, 3])
def test_every_tap_fires_once_or_it_is_an_error(times: int) -> None:
    network = wrap(Fickle())
    chosen = taps(network, ["part@0"])
    assert list(next(record(network, chosen, [images(2)]))) == ["part@0"]
    network.module.times = times  # type: ignore[assignment]
    with pytest.raises(AnalysisError, match=f"'part' of tiny ran {times} times.*2 when"):
        next(record(network, chosen, [images(2)]))
    assert no_hooks(network)


def test_both_calls_of_a_module_are_kept_apart() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.act(-self.act(x) + 1)
            return out

    network, x = wrap(Twice()), images(3)
    (recorded,) = record(network, taps(network, ["act"]), [x])
    np.testing.assert_allclose(recorded["act@0"], x.clamp(min=0).numpy())
    np.testing.assert_allclose(recorded["act@1"], (1 - x.clamp(min=0)).clamp(min=0).numpy())


def test_hooked_gives_the_live_tensor_in_every_pass() -> None:
    network, x = overwriting(), images(2)
    seen: list[Tensor] = []
    with hooked(network, taps(network, ["bn1"]), lambda _, live: seen.append(live)):
        network.module(x)
        network.module(x)
    assert len(seen) == 2
    assert (seen[0] >= 0).all()  # Overwritten by the ReLU after it, which is why to copy.
    assert no_hooks(network)


def test_a_reduction_that_a_tap_lacks_is_refused_before_anything_runs() -> None:
    network = overwriting()
    with pytest.raises(AnalysisError, match="'conv1' has no class token"):
        record(network, taps(network, "*"), iter([]), reduction="cls")


@pytest.mark.parametrize(
    "batch", [images(2, (3, 6, 6)), images(2, (1, 12, 12)), images(0), [images(2), images(0)]]
)
def test_images_of_another_size_are_refused(batch: Tensor) -> None:
    network = overwriting()
    with pytest.raises(AnalysisError, match=r"expected \(n, 3, 12, 12\); make them with transform"):
        next(record(network, taps(network, "*"), [batch]))


def test_a_batch_without_images_and_a_foreign_tap_are_refused() -> None:
    network = overwriting()
    with pytest.raises(AnalysisError, match="no images"):
        next(record(network, taps(network, "*"), [iter(())]))
    with pytest.raises(AnalysisError, match=r"tiny has no module 'blocks.0'"):
        next(record(network, taps(small_vit(), "blocks.*"), [images(2)]))


def test_recording_changes_neither_random_state_nor_network() -> None:
    network = small_vit()
    state, identity = torch.get_rng_state(), network.identity()
    next(record(network, taps(network, "paper"), [images(2, (3, 32, 32))]))
    assert torch.equal(state, torch.get_rng_state())
    assert network.identity() == identity


def test_convolutions_run_in_full_precision_and_the_setting_is_put_back() -> None:
    network = overwriting()
    during = []

    def look(tap: Tap, x: Tensor) -> bool:
        during.append(torch.backends.cudnn.allow_tf32)
        return tap.shape == x.shape[1:]

    before = torch.backends.cudnn.allow_tf32
    next(summarise(network, taps(network, ["conv1"]), [images(2)], summary=look))
    assert during == [False]
    assert torch.backends.cudnn.allow_tf32 == before
