import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.networks.network import Network

VIT = {"img_size": 32, "patch_size": 8, "depth": 1, "embed_dim": 24, "num_heads": 2}
Weights = dict[str, Tensor]


def vit(checkpoint: Path | None = None, seed: int = 0, **arguments: Any) -> Network:
    return load(
        ModelSpec(
            "mine",
            timm="vit_tiny_patch16_224",
            seed=seed,
            checkpoint=None if checkpoint is None else str(checkpoint),
            arguments={**VIT, **arguments},
        )
    )


@pytest.fixture
def weights() -> Weights:
    return vit(seed=9).module.state_dict()


def prefixed(weights: Weights, prefix: str) -> Weights:
    return {prefix + key: value for key, value in weights.items()}


@pytest.mark.parametrize(
    "nested",
    [
        lambda w: w,
        lambda w: {"state_dict": w, "epoch": 3},
        lambda w: {"model": w, "optimizer": {}},
        lambda w: prefixed(w, "module."),
        lambda w: {"state_dict": prefixed(w, "module._orig_mod.")},
        lambda w: {"state_dict_ema": w, "state_dict": {k: v + 1 for k, v in w.items()}},
    ],
)
def test_a_torch_file_is_read_however_it_is_nested(
    tmp_path: Path, weights: Weights, nested: Callable[[Weights], dict[str, Any]]
) -> None:
    torch.save(nested(weights), tmp_path / "w.pth")
    loaded = vit(tmp_path / "w.pth")
    assert loaded.identity() == vit(seed=9).identity()
    assert loaded.identity() != vit().identity()


def test_safetensors_and_half_precision(tmp_path: Path, weights: Weights) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    assert vit(tmp_path / "w.safetensors").identity() == vit(seed=9).identity()
    save_file({k: v.bfloat16() for k, v in weights.items()}, tmp_path / "half.safetensors")
    for key, value in vit(tmp_path / "half.safetensors").module.state_dict().items():
        assert torch.equal(value, weights[key].bfloat16().float())


def test_a_missing_file_is_named() -> None:
    with pytest.raises(AnalysisError, match=r"checkpoint 'nowhere.pt' is no file"):
        vit(Path("nowhere.pt"))


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"these are no weights", b"PK\x03\x04" + bytes(40)])
def test_a_damaged_file_is_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"damaged{suffix}"
    file.write_bytes(content)
    with pytest.raises(AnalysisError, match=f"damaged{suffix}' (can't be read|holds)") as caught:
        vit(file)
    assert "\n" not in str(caught.value)


class Trap:
    sprung = False

    def __reduce__(self) -> tuple[Any, ...]:
        return (setattr, (Trap, "sprung", True))


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, weights: Weights) -> None:
    torch.save({"state_dict": weights, "trap": Trap()}, tmp_path / "w.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Trap(), protocol=2))
    for name in ("w.pt", "plain.pt"):
        with pytest.raises(AnalysisError, match=r"holds more than tensors.*safetensors"):
            vit(tmp_path / name)
    assert not Trap.sprung


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1, 2], "holds a list"),
        ({}, "holds nothing"),
        ({"epoch": 3}, "holds 'epoch' of type int"),
        ({"state_dict": {"norm.weight": 3}}, "holds 'norm.weight' of type int"),
    ],
)
def test_a_file_without_weights_is_named(tmp_path: Path, content: Any, said: str) -> None:
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(AnalysisError, match=f"odd.pt' {said}"):
        vit(tmp_path / "odd.pt")


def refused(tmp_path: Path, weights: Weights, **arguments: Any) -> str:
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(AnalysisError) as caught:
        vit(tmp_path / "w.safetensors", **arguments)
    return str(caught.value)


def test_another_number_of_classes_comes_with_the_argument_to_pass(
    tmp_path: Path, weights: Weights
) -> None:
    message = refused(tmp_path, weights, num_classes=10)
    assert "does not fit mine: 2 of another shape" in message
    assert "head.weight is (1000, 24) in the file, (10, 24) in the network" in message
    assert message.endswith("; pass arguments: {num_classes: 1000}")


def test_a_headless_file_comes_with_the_argument_to_pass(tmp_path: Path, weights: Weights) -> None:
    headless = {key: value for key, value in weights.items() if not key.startswith("head.")}
    message = refused(tmp_path, headless)
    assert "2 missing in the file (head.weight, head.bias)" in message
    assert message.endswith("; pass arguments: {num_classes: 0}")
    save_file(headless, tmp_path / "headless.safetensors")
    assert vit(tmp_path / "headless.safetensors", num_classes=0).input_size == (3, 32, 32)


def test_missing_and_unknown_weights_are_counted_and_the_first_named(
    tmp_path: Path, weights: Weights
) -> None:
    message = refused(tmp_path, prefixed(weights, "backbone."))
    count = len(weights)
    assert f"{count} missing in the file (cls_token, pos_embed, patch_embed.proj.weight" in message
    assert f"and {count - 3} more" in message
    assert f"{count} unknown to the network (backbone." in message
    assert "another shape" not in message


def test_a_refused_file_changes_no_weight(tmp_path: Path, weights: Weights) -> None:
    del weights["norm.bias"]
    assert "1 missing in the file (norm.bias)" in refused(tmp_path, weights)
