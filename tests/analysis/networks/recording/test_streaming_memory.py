"""Streaming holds one tap: what was summarised is gone before the next tap is complete.

Seen by weak references to the storages themselves, so that no view of a tensor and no NumPy
array over it can hide one; copies are found by counting the bytes of all tensors there are.
"""

import gc
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import hooked, summarise
from seelike.analysis.similarity import signature, unit

Seen = dict[str, set[str]]


class Alive:
    """Of which earlier taps the tensors are still in memory, whenever a later one fires."""

    def __init__(self) -> None:
        self.storages: dict[str, StorageWeakRef] = {}
        self.seen: Seen = {}

    def look(self, tap: Tap, x: Tensor) -> None:
        now = StorageWeakRef(x.untyped_storage())
        self.seen[tap.name] = {
            name
            for name, storage in self.storages.items()
            # A tensor that goes on unchanged, or in place, is the same memory as before.
            if not storage.expired() and storage.cdata != now.cdata
        }
        self.storages[tap.name] = now


def network_of(family: str) -> Network:
    return load(ModelSpec(family, zoo=family))


def images(network: Network, count: int = 5) -> Tensor:
    return torch.randn((count, *network.input_size), generator=torch.Generator().manual_seed(1))


def held_by_the_network(network: Network, chosen: Sequence[Tap], x: Tensor) -> Seen:
    """What a plain forward pass itself has in memory, such as a block's input."""
    alive = Alive()
    with hooked(network, chosen, alive.look), torch.inference_mode():
        network.module(x)
    return alive.seen


def while_streaming(
    network: Network,
    chosen: Sequence[Tap],
    batch: Any,
    *,
    reduction: str = "flatten",
    result: Callable[[Tensor], Any],
) -> Seen:
    alive = Alive()

    def summary(tap: Tap, x: Tensor) -> Any:
        alive.look(tap, x)
        return result(x)

    (made,) = summarise(network, chosen, [batch], reduction=reduction, summary=summary)
    assert list(made) == list(alive.seen) == [tap.name for tap in chosen]
    return alive.seen


def signed(x: Tensor) -> Any:
    return unit(signature(x.numpy()))


@pytest.mark.parametrize("family", ["vit", "resnet", "mixer"])
@pytest.mark.parametrize("how", ["a tensor", "an iterator of one"])
def test_recording_holds_nothing_that_the_forward_pass_does_not_hold(family: str, how: str) -> None:
    network = network_of(family)
    chosen, x = taps(network, "paper"), images(network)
    batch = x if how == "a tensor" else iter([x])
    streamed = while_streaming(network, chosen, batch, result=signed)
    assert streamed == held_by_the_network(network, chosen, x)
    # And that is no more than what the block that runs has not used up yet.
    assert len(chosen) >= 45
    assert max(len(names) for names in streamed.values()) < len(chosen) / 8


@pytest.mark.parametrize("pattern", ["blocks.*.mlp.act", "blocks.*.attn"])
def test_where_the_network_lets_go_one_tap_alone_is_in_memory(pattern: str) -> None:
    network = network_of("vit")
    chosen = taps(network, pattern)
    assert len(chosen) == 8
    streamed = while_streaming(network, chosen, images(network), result=signed)
    assert streamed == {tap.name: set() for tap in chosen}


def test_of_the_residual_stream_a_block_holds_its_input_and_nothing_before() -> None:
    network = network_of("vit")
    streamed = while_streaming(network, taps(network), images(network), result=signed)
    names = list(streamed)
    for before, name in pairwise(names):
        assert streamed[name] <= {before}


@pytest.mark.parametrize("reduction", ["mean", "tokens", "cls"])
def test_a_reduction_is_gone_as_well(reduction: str) -> None:
    network = network_of("vit")
    streamed = while_streaming(
        network,
        taps(network, "blocks.*.attn"),
        images(network),
        reduction=reduction,
        result=signed,
    )
    assert not any(streamed.values())


def bytes_alive() -> int:
    """Bytes of all tensors that Python can reach, every storage once; weights do not count."""
    gc.collect()
    reached = [x.untyped_storage() for x in gc.get_objects() if type(x) is Tensor]
    return sum({storage.data_ptr(): storage.nbytes() for storage in reached}.values())


def test_no_copy_is_held_either() -> None:
    network = network_of("vit")
    chosen, x = taps(network, ["blocks.1", "blocks.4", "blocks.7"]), images(network)
    plain: list[int] = []
    with hooked(network, chosen, lambda *_: plain.append(bytes_alive())), torch.inference_mode():
        network.module(x)
    streamed: list[int] = []
    while_streaming(network, chosen, x, result=lambda _: streamed.append(bytes_alive()))
    assert streamed == plain
    copied: list[int] = []
    kept: list[Tensor] = []

    def copy(activations: Tensor) -> None:
        copied.append(bytes_alive())
        kept.append(activations.clone())

    while_streaming(network, chosen, x, result=copy)
    one = kept[0].untyped_storage().nbytes()
    assert copied == [plain[0], plain[1] + one, plain[2] + 2 * one]


def test_a_summary_that_keeps_its_tensors_is_detected() -> None:
    network = network_of("vit")
    chosen = taps(network, "blocks.*.attn")
    kept = while_streaming(network, chosen, images(network), result=lambda x: x)
    assert kept[chosen[-1].name] == {tap.name for tap in chosen[:-1]}
    views = while_streaming(network, chosen, images(network), result=lambda x: x.numpy()[:1])
    assert views == kept


def test_after_the_batch_nothing_is_left() -> None:
    network = network_of("resnet")
    storages = []

    def summary(_: Tap, x: Tensor) -> Any:
        storages.append(StorageWeakRef(x.untyped_storage()))
        return signed(x)

    made = list(summarise(network, taps(network), [images(network)] * 2, summary=summary))
    assert len(made) == 2
    assert len(storages) == 2 * len(made[0])
    assert all(storage.expired() for storage in storages)
