import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.layers.tap import taps
from seelike.analysis.networks.loading import zoo
from seelike.analysis.networks.loading.models import ModelSpec, load, untrained
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import record

VIT = {"img_size": 32, "patch_size": 8, "depth": 2, "embed_dim": 24, "num_heads": 2}
RESNET = {
    "channels": [8, 8, 16, 16],
    "pretrained_cfg_overlay": {"input_size": [3, 32, 32]},
}


def vit(name: str = "vit", **changes: Any) -> Network:
    spec: dict[str, Any] = {"timm": "vit_tiny_patch16_224", "arguments": VIT}
    return load(ModelSpec(name, **{**spec, **changes}))


def weights(network: Network) -> dict[str, np.ndarray]:
    return {key: value.numpy() for key, value in network.module.state_dict().items()}


def test_a_network_is_in_evaluation_mode_and_frozen() -> None:
    network = vit()
    assert not any(module.training for module in network.module.modules())
    assert not any(parameter.requires_grad for parameter in network.module.parameters())
    assert network.device == torch.device("cpu")


def test_the_seed_alone_decides_the_initial_weights() -> None:
    torch.manual_seed(1)
    first, default = vit(seed=3).identity(), vit().identity()
    torch.manual_seed(2)
    assert vit(seed=3).identity() == first
    assert vit(seed=0).identity() == default
    assert first != default


def test_loading_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    vit(seed=3)
    load(ModelSpec("small", zoo="vit"))
    untrained(ModelSpec("resnet", timm="resnet18"))
    assert torch.equal(before, torch.get_rng_state())


def test_identity_is_json_and_knows_one_weight_but_no_name() -> None:
    network = vit("one")
    identity = network.identity()
    assert json.loads(json.dumps(identity)) == identity
    assert vit("another").identity() == identity
    with torch.no_grad():
        network.module.get_submodule("blocks.1.mlp.fc2").bias[3] += 1e-6  # type: ignore[index]
    changed = network.identity()
    assert changed["weights"] != identity["weights"]
    assert {**changed, "weights": identity["weights"]} == identity


@pytest.mark.parametrize(
    "change",
    [
        {"arguments": {**VIT, "img_size": 40}},
        {"arguments": {**VIT, "class_token": False, "global_pool": "avg"}},
        {"timm": "deit_tiny_patch16_224"},
    ],
)
def test_identity_knows_architecture_and_arguments(change: dict[str, Any]) -> None:
    assert vit(**change).identity() != vit().identity()


def test_identity_of_equal_bytes_in_another_shape_or_name_differs() -> None:
    def network(**parameters: torch.Tensor) -> Network:
        module = torch.nn.ParameterDict(parameters)
        return Network(
            name="n", module=module, input_size=(1, 1, 1), data_config={}, architecture="a"
        )

    digests = [
        network(a=torch.zeros(2, 3)),
        network(a=torch.zeros(3, 2)),
        network(b=torch.zeros(2, 3)),
        network(a=torch.zeros(3, 4, dtype=torch.float16)),
        network(a=torch.zeros(3, 2, dtype=torch.bfloat16)),
        network(a=torch.zeros(()), b=torch.zeros(5)),
    ]
    assert len({n.identity()["weights"] for n in digests}) == len(digests)


@pytest.mark.parametrize("family", sorted(zoo.FAMILIES))
def test_a_zoo_member_takes_the_weights_given_in_float16(family: str) -> None:
    spec = ModelSpec("small", zoo=family, seed=1)
    halves = {
        key: value.astype(np.float16) if value.dtype == np.float32 else value
        for key, value in weights(load(ModelSpec("other", zoo=family, seed=2))).items()
    }
    network = load(spec, weights=halves)
    assert network.input_size == (1, 28, 28)
    assert network.architecture == f"zoo/{family}"
    for key, value in network.module.state_dict().items():
        assert value.dtype in (torch.float32, torch.int64)
        np.testing.assert_array_equal(value.numpy(), halves[key].astype(value.numpy().dtype))


def test_weights_that_do_not_fit_the_zoo_member_are_refused() -> None:
    given = weights(load(ModelSpec("other", zoo="vit")))
    with pytest.raises(
        AnalysisError, match=r"the set of weights given does not fit small: .* missing"
    ):
        load(ModelSpec("small", zoo="mixer"), weights=given)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "one of 'timm', 'zoo' and 'imported'"),
        ({"timm": "resnet18", "zoo": "resnet"}, "one of 'timm', 'zoo' and 'imported'"),
        ({"timm": "resnet18", "pretrained": True, "checkpoint": "x.pt"}, "both"),
        ({"zoo": "resnet", "pretrained": True}, "takes a 'seed'"),
        ({"zoo": "resnet", "arguments": {"depth": 3}}, "takes a 'seed'"),
    ],
)
def test_a_spec_that_means_nothing_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(AnalysisError, match=f"'odd'.*{said}"):
        ModelSpec("odd", **arguments)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"timm": "vit_smal_patch16_224"}, "no model 'vit_smal_patch16_224'; nearest: 'vit_small"),
        ({"timm": "resnet50.a1_in1"}, "'resnet50' has no weights tagged 'a1_in1'.*'resnet50.a1_"),
        ({"timm": "qqqqqqqqqqqqqqqqqq"}, "nearest: none"),
        ({"timm": "some/resnet50"}, "no model 'some/resnet50'"),
        ({"zoo": "mixxer"}, "no family 'mixxer'; nearest: 'mixer'"),
        ({"timm": "resnet18", "arguments": {"depht": 3}}, "refuses.*depht.*'resnet18'"),
        ({"timm": "resnet18", "arguments": {"img_size": 64}}, "refuses.*pretrained_cfg_overlay"),
        (
            {"timm": "vit_tiny_patch16_224", "arguments": {"num_heads": 5}},
            "refuses.*divisible by num_heads",
        ),
        ({"timm": "resnet18", "arguments": {"act_layer": torch.nn.ReLU}}, "act_layer=.*written"),
    ],
)
def test_what_timm_lacks_is_named_with_what_it_has(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(AnalysisError, match=said) as caught:
        load(ModelSpec("odd", **spec))
    assert "\n" not in str(caught.value)


def test_a_model_without_pretrained_weights_names_some_with() -> None:
    name = next(name for name in timm.list_models() if not timm.is_model_pretrained(name))
    said = f"no weights for '{name}'; of those with weights nearest: '"
    with pytest.raises(AnalysisError, match=said):
        load(ModelSpec("odd", timm=name, pretrained=True))


def hub(monkeypatch: pytest.MonkeyPatch, answer: Callable[..., dict[str, torch.Tensor]]) -> None:
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", answer)


def test_pretrained_weights_are_fetched_and_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    held = timm.create_model("resnet10t").state_dict()
    asked = []

    def answer(name: str, *_: object, **__: object) -> dict[str, torch.Tensor]:
        asked.append(name)
        return {key: value.clone() for key, value in held.items()}

    hub(monkeypatch, answer)
    network = load(ModelSpec("net", timm="resnet10t.c3_in1k", pretrained=True))
    assert asked == ["timm/resnet10t.c3_in1k"]
    for key, value in network.module.state_dict().items():
        assert torch.equal(value, held[key])


@pytest.mark.parametrize("failure", [ConnectionError, FileNotFoundError, EOFError, RuntimeError])
def test_weights_that_cannot_be_fetched_say_so_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    def answer(*_: object, **__: object) -> dict[str, torch.Tensor]:
        raise failure("no route\nto the hub")

    hub(monkeypatch, answer)
    with pytest.raises(AnalysisError) as caught:
        load(ModelSpec("net", timm="resnet10t", pretrained=True))
    message = str(caught.value)
    assert f"'resnet10t' can't be loaded ({failure.__name__}: no route)" in message
    assert "'checkpoint'" in message
    assert "\n" not in message


def test_pretrained_weights_that_the_arguments_do_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = timm.create_model("vit_tiny_patch16_224", **VIT).state_dict()
    hub(monkeypatch, lambda *_, **__: held)
    deeper = ModelSpec(
        "net", timm="vit_tiny_patch16_224", pretrained=True, arguments={**VIT, "depth": 3}
    )
    with pytest.raises(AnalysisError, match=r"do not fit arguments.*'depth': 3.*blocks\.2"):
        load(deeper)


def test_the_untrained_baseline_has_no_weights_and_no_silent_branches() -> None:
    spec = ModelSpec("net", timm="resnet18", checkpoint="somewhere.pt", arguments=RESNET)
    baseline = untrained(spec)
    assert (baseline.name, baseline.pretrained, baseline.checkpoint, baseline.seed) == (
        "net untrained",
        False,
        None,
        0,
    )
    x = torch.randn((2, 3, 32, 32), generator=torch.Generator().manual_seed(0))

    def branch(spec: ModelSpec) -> np.ndarray:
        network = load(spec)
        return next(record(network, taps(network, ["layer1.0.bn2"]), [x]))["layer1.0.bn2"]

    assert (branch(ModelSpec("net", timm="resnet18", arguments=RESNET)) == 0).all()
    assert branch(baseline).std() > 0.1


@pytest.mark.parametrize(
    ("spec", "added"),
    [
        (ModelSpec("a", timm="resnet50.a1_in1k", pretrained=True), {"zero_init_last": False}),
        (ModelSpec("b", timm="regnetx_002"), {"zero_init_last": False}),
        (ModelSpec("c", timm="vit_tiny_patch16_224", arguments=VIT), {}),
        (ModelSpec("d", timm="efficientnet_b0"), {}),
        (ModelSpec("e", zoo="resnet", seed=4), {}),
    ],
)
def test_the_untrained_baseline_gets_zero_init_last_only_where_timm_takes_it(
    spec: ModelSpec, added: dict[str, bool]
) -> None:
    baseline = untrained(spec)
    assert baseline.arguments == {**spec.arguments, **added}
    assert baseline.seed == (spec.seed or 0)
    assert (baseline.timm, baseline.zoo) == (spec.timm, spec.zoo)


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, (3, 32, 32)),
        ({"arguments": {**VIT, "img_size": [32, 48]}}, (3, 32, 48)),
        ({"arguments": {**VIT, "in_chans": 1}}, (1, 32, 32)),
        ({"timm": "resnet18", "arguments": RESNET}, (3, 32, 32)),
        ({"timm": "resnet18", "arguments": {**RESNET, "in_chans": 1}}, (1, 32, 32)),
        ({"timm": "resnet18", "arguments": {"channels": [8, 8, 8, 8]}}, (3, 224, 224)),
        ({"timm": "mixer_s32_224", "arguments": {"img_size": 64}}, (3, 64, 64)),
    ],
)
def test_the_input_size_is_what_the_arguments_made_it(
    changes: dict[str, Any], size: tuple[int, int, int]
) -> None:
    network = vit(**changes)
    assert network.input_size == size
    assert len(network.data_config["mean"]) == len(network.data_config["std"]) == size[0]
    network.module(torch.zeros((1, *size)))


def test_an_absent_device_is_refused() -> None:
    assert vit().to("cpu").device == torch.device("cpu")
    assert vit().to("auto").device.type in ("cpu", "cuda")
    for device in ("cuda:77", "nosuch"):
        with pytest.raises(AnalysisError, match=f"no device '{device}'"):
            vit().to(device)


def test_weights_beside_a_checkpoint_are_refused(tmp_path: Any) -> None:
    network = vit()
    save_file(network.module.state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(AnalysisError, match="both weights and"):
        vit_spec = ModelSpec(
            "v",
            timm="vit_tiny_patch16_224",
            checkpoint=str(tmp_path / "w.safetensors"),
            arguments=VIT,
        )
        load(vit_spec, weights=weights(network))
