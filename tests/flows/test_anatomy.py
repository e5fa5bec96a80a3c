"""Looking into models, the whole way: from images to a report, repeated, lacking and refused."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
import yaml

import seelike.tasks.anatomy.context
import seelike.tasks.anatomy.registry
from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks import Network, record, taps, transform
from seelike.analysis.networks.anatomy.ablation import without_skip
from seelike.analysis.networks.anatomy.attention import attention_distance
from seelike.analysis.networks.anatomy.attention_maps import head_outputs
from seelike.analysis.networks.anatomy.field_numbers import centre_share, radius
from seelike.analysis.networks.anatomy.receptive_fields import centre_patch, receptive_fields
from seelike.analysis.networks.anatomy.residuals import residual_norms, residuals
from seelike.analysis.networks.anatomy.tokens import grid, grouped, pixel_patches, tokens
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.similarity import minibatch_cka
from seelike.analysis.similarity.parts.localization import localize
from seelike.analysis.similarity.parts.localization_scores import score
from seelike.flows.anatomy import anatomy
from seelike.flows.cli.main import main
from seelike.flows.commands.store import listing
from seelike.flows.errors import Incomplete
from seelike.storage.errors import StorageError
from seelike.storage.images import from_sample
from seelike.tasks.planning.plans import StudyModel
from seelike.tasks.planning.survey import network_of
from seelike.tasks.results import AnatomyResult
from seelike.tasks.runtime import cancellation

COUNT = 16


pytestmark = pytest.mark.usefixtures("server")


def study(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "inside",
        "store": str(folder / "store"),
        "images": {"source": "sample", "count": COUNT},
        "models": [
            {"name": "ViT", "zoo": "vit"},
            {"name": "ResNet", "zoo": "resnet"},
            {"name": "Mixer", "zoo": "mixer"},
        ],
        "compute": {"forward_batch": 6},
        "report": str(folder / "report"),
    } | changes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("anatomy")


@pytest.fixture(scope="module")
def finished(folder: Path, server: None) -> AnatomyResult:  # noqa: ARG001
    """The zoo, looked into by all analyses."""
    return anatomy(study(folder))


def network(name: str) -> Network:
    return network_of(StudyModel(ModelSpec(name=name, zoo=name), ("blocks",), trained=True))


def images(of: Network) -> torch.Tensor:
    sample = from_sample(count=COUNT)
    return torch.stack([transform(of)(sample.read(i)) for i in range(COUNT)])


def rows(folder: Path, name: str, model: str) -> list[dict[str, str]]:
    with (folder / "report" / "anatomy" / "data" / f"{name}.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["model"] == model]


def column(lines: list[dict[str, str]], name: str) -> np.ndarray:
    return np.array([float(line[name]) for line in lines])


def test_the_reports_attention_distances_are_those_of_the_network(
    folder: Path, finished: AnatomyResult
) -> None:
    vit = network("vit")
    expected = attention_distance(vit, [images(vit)])
    lines = rows(folder, "attention", "ViT")
    assert [line["block"] for line in lines] == [b.module for b in expected.blocks for _ in "0123"]
    for name, distances in (("plain", expected.plain), ("renormalised", expected.renormalised)):
        values = np.concatenate(distances)
        np.testing.assert_allclose(column(lines, name), values.mean(1), rtol=1e-5)
        kept = finished.open("ViT", "attention")[f"{name}_images"]
        np.testing.assert_allclose(kept, values, rtol=1e-5)
        low, high = (column(lines, f"{name}_{end}") for end in ("low", "high"))
        # As wide as the standard error of a mean over images says.
        error = values.std(1) / COUNT**0.5
        np.testing.assert_allclose(high - low, 2 * 1.96 * error, rtol=0.15)


@pytest.mark.parametrize(("name", "zoo"), [("ViT", "vit"), ("ResNet", "resnet")])
def test_the_reports_norm_ratios_are_those_of_the_network(
    folder: Path,
    finished: AnatomyResult,  # noqa: ARG001
    name: str,
    zoo: str,
) -> None:
    looked_into = network(zoo)
    lines = rows(folder, "residuals", name)
    for token, norms in residual_norms(looked_into, [images(looked_into)]).items():
        own = [line for line in lines if line["token"] == token]
        assert [line["residual"] for line in own] == [r.name for r in norms.residuals]
        np.testing.assert_allclose(column(own, "ratio"), norms.ratio.mean(1), rtol=1e-4)
        np.testing.assert_allclose(column(own, "cosine"), norms.cosine.mean(1), atol=1e-5)


def test_the_reports_receptive_fields_are_those_of_the_network(
    folder: Path, finished: AnatomyResult
) -> None:
    mixer = network("mixer")
    lines = rows(folder, "receptive-fields", "Mixer")
    found = taps(mixer, [line["tap"] for line in lines])
    assert [tap.name for tap in found] == [line["tap"] for line in lines]
    assert {line["role"] for line in lines} == {"before", "after", "layer"}
    fields = receptive_fields(mixer, found, [images(mixer)])
    dataset = finished.open("Mixer", "receptive_fields")
    np.testing.assert_allclose(dataset["field"], fields, atol=1e-6)
    patches = [centre_patch(mixer, tap) for tap in found]
    both = list(zip(fields, patches, strict=True))
    np.testing.assert_allclose(
        column(lines, "centre_share"), [centre_share(*pair) for pair in both], atol=1e-5
    )
    for share, name in ((0.5, "radius_50"), (0.95, "radius_95")):
        np.testing.assert_allclose(
            column(lines, name), [radius(*pair, share=share) for pair in both], rtol=1e-3
        )
    # All sublayers are there: norms, too, whose channels add up to a constant.
    assert {f"blocks.{i}.norm{k}" for i in range(8) for k in (1, 2)} < {tap.name for tap in found}
    assert {line["channels_per_image"] for line in lines} == {"8"}
    page = Path(str(finished.report)).read_text()
    assert "a random sample of 8 channels per image, 32 per 4 images" in page
    assert "are limited by the size of the image" in page


@pytest.mark.parametrize(
    ("name", "tap", "onto"), [("ViT", "blocks.6", (7, 7)), ("ResNet", "layer1.1", (14, 14))]
)
def test_the_reports_localization_is_that_of_the_network(
    folder: Path, finished: AnatomyResult, name: str, tap: str, onto: tuple[int, int]
) -> None:
    looked_into = network(name.lower())
    (chosen,) = taps(looked_into, [tap])
    x, of = images(looked_into), grid(looked_into, chosen)
    (places,) = tokens(looked_into, chosen, [x])
    expected = localize([grouped(places, of, onto)], [pixel_patches(x, onto)])
    dataset = finished.open(name, "localization").load()
    (at,) = np.flatnonzero((dataset["tap"] == tap) & (dataset["patches"] == "pixels"))
    count = onto[0] * onto[1]
    kept = dataset["cka"].values[at]
    np.testing.assert_allclose(kept[:count, :count], expected.cka(), atol=1e-4)
    assert np.isnan(kept[count:]).all() and np.isnan(kept[:, count:]).all()
    scores = score(expected)
    (line,) = (
        line
        for line in rows(folder, "localization", name)
        if (line["tap"], line["patches"]) == (tap, "pixels")
    )
    found = [float(line[key]) for key in ("share", "rank", "z")]
    np.testing.assert_allclose(found, [scores.share.value, scores.rank.value, scores.z.value], 1e-3)


def test_heads_taken_together_are_one_layer_beside_the_lowest_units_of_a_resnet(
    folder: Path,
    finished: AnatomyResult,  # noqa: ARG001
) -> None:
    vit, resnet = network("vit"), network("resnet")
    x = images(vit)
    distances = attention_distance(vit, [x])
    outputs = next(head_outputs(vit, distances.blocks[0], [x]))
    order = distances.plain[0].mean(axis=1).argsort()
    unit = next(record(resnet, taps(resnet, ["layer2.0"]), [images(resnet)]))["layer2.0"]
    lines = [line for line in rows(folder, "heads", "ViT") if line["unit"] == "layer2.0"]
    own = [line for line in lines if line["trained"] == "True"]
    assert [line["heads"] for line in own] == [str(head) for head in order]
    expected = [minibatch_cka([outputs[:, :, [head]]], [unit]) for head in order]
    np.testing.assert_allclose(column(own, "cka"), expected, atol=1e-5)
    means = distances.plain[0].mean(axis=1)[order]
    np.testing.assert_allclose(column(own, "distance"), means, rtol=1e-5)
    assert len(lines) == 8


def test_class_tokens_are_compared_with_all_patches(finished: AnatomyResult) -> None:
    vit = network("vit")
    x = images(vit)
    token = next(record(vit, taps(vit, ["blocks.3"]), [x], reduction="cls"))["blocks.3"]
    embedded = next(record(vit, taps(vit, ["patch_embed"]), [x]))["patch_embed"]
    expected = localize([token[:, None]], [embedded]).cka()[0]
    dataset = finished.open("ViT", "localization").load()
    (at,) = np.flatnonzero((dataset["tap"] == "blocks.3") & (dataset["patches"] == "embedding"))
    np.testing.assert_allclose(dataset["class_token"].values[at], expected, atol=1e-4)
    assert "embedding" not in finished.open("ResNet", "localization")["patches"].values


def test_the_page_has_checks_and_says_who_lacks_what(folder: Path, finished: AnatomyResult) -> None:
    page = Path(str(finished.report)).read_text()
    for few in ("heads", "localization"):
        assert re.search(f"Too few images for intervals of {few}: [^.]*68 or more", page)
    assert Path(str(finished.report)) == folder / "report" / "anatomy" / "index.html"
    assert "ResNet (zoo/resnet) has no attention; give a transformer" in page
    for experiment in ("E3", "E4", "E5", "E6", "E8"):
        assert f">{experiment}<" in page
    assert finished.open("ResNet", "residuals").sizes["image"] == COUNT
    with pytest.raises(StorageError, match=r"'attention' of 'ResNet' is not there; .* of Mixer"):
        finished.open("ResNet", "attention")
    plain = xr.open_zarr(finished.url("ViT untrained", "attention"), consolidated=False)
    assert plain.attrs["facts"]["trained"] is False
    assert "receptive_fields of ResNet" in listing(str(folder / "store"))


def test_a_second_run_computes_nothing_and_the_command_line_says_so(
    folder: Path,
    finished: AnatomyResult,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert finished.computed == 24

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a forward pass although everything is there")

    monkeypatch.setattr(seelike.tasks.anatomy.context, "forward_batches", refuse)
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study(folder, anatomy=["attention", "residuals"])))
    assert main(["anatomy", str(file), "--set", f"report={tmp_path}/report"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "nothing to compute: everything is already in the store"
    assert "left out: Mixer (zoo/mixer) has no attention; give a transformer" in lines
    assert lines[-1] == f"{tmp_path}/report/anatomy/index.html"


def test_other_images_are_looked_at_anew(folder: Path, finished: AnatomyResult) -> None:
    asked = study(folder, models=[{"name": "a", "zoo": "resnet"}], anatomy=["receptive_fields"])
    asked |= {"baseline": False, "report": str(folder / "other")}
    assert anatomy(asked).computed == 0
    again = anatomy(asked | {"receptive_field_images": 8})
    assert again.computed == 1
    assert again.found[0].name not in {one.name for one in finished.found}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"head_block": 8}, "attention 8 of ViT is out of range, it has 0 to 7; set head_block"),
        ({"localization_tokens": [[0, 7]]}, "no token at row 0, column 7 of a grid 7 x 7"),
    ],
)
def test_a_part_out_of_range_is_a_mistake_and_the_others_are_there(
    tmp_path: Path, asked: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked |= {"models": [{"name": "ViT", "zoo": "vit"}], "images": {"source": "sample", "count": 5}}
    asked |= {"anatomy": ["heads", "localization", "attention"], "baseline": False}
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study(tmp_path, **asked)))
    assert main(["anatomy", str(file)]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "seelike:" in line]
    assert len(errors) == 1 and said in errors[0]
    page = (tmp_path / "report" / "anatomy" / "index.html").read_text()
    assert said in page and "attention distance" in page.lower()


def test_a_token_that_one_model_has_is_only_told_of_the_other(tmp_path: Path) -> None:
    both = [{"name": "ViT", "zoo": "vit"}, {"name": "ResNet", "zoo": "resnet"}]
    asked = study(tmp_path, models=both, images={"source": "sample", "count": 5}, baseline=False)
    result = anatomy(asked | {"anatomy": ["localization"], "localization_tokens": [[6, 6]]})
    assert [one.out_of_range for one in result.found] == [False, True]


def test_an_unknown_analysis_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study(tmp_path)))
    assert main(["anatomy", str(file), "--set", "anatomy=[atention]"]) == 2
    said = capsys.readouterr().err
    assert "unknown analysis 'atention'; nearest: 'attention'" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_workers_of_a_cluster_find_the_same(
    folder: Path, finished: AnatomyResult, tmp_path: Path
) -> None:
    asked = study(folder, store=str(tmp_path / "store"), report=str(tmp_path / "report"))
    asked |= {"anatomy": ["attention"], "baseline": False, "compute": {"dask": "local"}}
    result = anatomy(asked | {"models": asked["models"][:2]})
    assert [bool(one.missing_part) for one in result.found] == [False, True]
    own, other = (one.open("ViT", "attention") for one in (result, finished))
    np.testing.assert_allclose(own["plain_without"], other["plain_without"], rtol=1e-5)


def test_a_model_that_fails_leaves_the_others(tmp_path: Path) -> None:
    lost = {"name": "lost", "timm": "resnet18", "checkpoint": "absent.safetensors"}
    asked = study(tmp_path, models=[{"name": "ResNet", "zoo": "resnet"}, lost], baseline=False)
    with pytest.raises(Incomplete, match=r"1 model is missing from .*: 'lost': .*'absent"):
        anatomy(asked | {"anatomy": ["residuals"]})
    page = (tmp_path / "report" / "anatomy" / "index.html").read_text()
    assert "Model &#39;lost&#39; of the study is missing here, it failed: " in page
    assert len(rows(tmp_path, "residuals", "ResNet")) == 8


def test_parts_that_cannot_be_measured_are_left_out_and_named(tmp_path: Path) -> None:
    # timm starts the branches of its ResNets at zero: there is no norm to divide by.
    silent = {
        "name": "silent",
        "timm": "resnet10t",
        "seed": 0,
        "arguments": {"in_chans": 1, "zero_init_last": True},
    }
    asked = study(
        tmp_path,
        models=[silent],
        images={"source": "sample", "count": 4},
        anatomy=["residuals", "receptive_fields", "ablation"],
        taps=["layer1.0", "fc"],
    )
    result = anatomy(asked)
    lacks = {one.analysis: one.missing_part for one in result.found}
    assert "the norm of the branch is 0" in lacks["residuals"]
    assert "without the skips of layer1.0 tap 'layer1.0' of silent is constant" in lacks["ablation"]
    page = (tmp_path / "report" / "anatomy" / "index.html").read_text()
    assert "the norm of the branch is 0" in page
    fields = result.open("silent", "receptive_fields")
    assert "fc" not in fields["tap"].values
    assert "no locations" in fields.attrs["left_out"]["fc"]
    assert "Left out of silent: " in page
    # Four images are one group: nothing to resample.
    assert re.search("Too few images for intervals of receptive fields: [^.]*5 or more", page)
    assert "centre_share" in fields and "centre_share_low" not in fields


def test_a_block_built_without_skips_has_no_sums_and_is_named(tmp_path: Path) -> None:
    vit = {"name": "ViT", "timm": "vit_tiny_patch16_224", "seed": 0}
    vit["arguments"] = {"img_size": 28, "patch_size": 7, "in_chans": 1, "depth": 2, "skip_free": 1}
    asked = study(tmp_path, models=[vit], images={"source": "sample", "count": 5})
    asked["anatomy"] = ["attention", "receptive_fields", "residuals", "localization", "ablation"]
    result = anatomy(asked)
    assert not any(one.missing_part for one in result.found)
    for analysis, labels in (("residuals", "residual"), ("ablation", "block")):
        dataset = result.open("ViT", analysis)
        assert dataset.attrs["left_out"] == {"blocks.1": "it was built without skip connections"}
        assert not any("blocks.1" in name for name in dataset[labels].values.tolist())
    assert set(result.open("ViT", "attention")["block"].values) == {
        "blocks.0.attn",
        "blocks.1.attn",
    }
    page = (tmp_path / "report" / "anatomy" / "index.html").read_text()
    assert "Left out of ViT: blocks.1 (it was built without skip connections)" in page


def test_out_of_memory_takes_fewer_images_a_forward_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, sizes = seelike.tasks.anatomy.context.forward_batches, []

    def short(network: Network, images: Any, pieces: list[range]) -> Iterator[torch.Tensor]:
        for batch in run(network, images, pieces):
            sizes.append(len(batch))
            if len(batch) > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            yield batch

    monkeypatch.setattr(seelike.tasks.anatomy.context, "forward_batches", short)
    asked = study(tmp_path, models=[{"name": "ViT", "zoo": "vit"}], anatomy=["attention"])
    asked |= {"baseline": False, "images": {"source": "sample", "count": 7}, "taps": ["absent"]}
    most = 0
    with pytest.raises(AnalysisError, match="out of memory with one image per forward pass"):
        anatomy(asked)
    assert sizes == [6, 3, 1]
    most = 3
    distances = anatomy(asked).open("ViT", "attention")["plain_images"].load()
    assert sizes[3:] == [6, 3, 3, 1]
    expected = attention_distance(network("vit"), [images(network("vit"))[:7]])
    np.testing.assert_allclose(distances, np.concatenate(expected.plain), rtol=1e-4)


def test_an_interrupt_ends_it_at_the_next_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = seelike.tasks.anatomy.residuals.residual_norms

    def interrupted(*given: Any, **named: Any) -> Any:
        cancellation.stop()
        return measure(*given, **named)

    monkeypatch.setattr(seelike.tasks.anatomy.residuals, "residual_norms", interrupted)
    asked = study(tmp_path, anatomy=["residuals"], baseline=False)
    with pytest.raises(AnalysisError, match="was interrupted; the same run goes on"):
        anatomy(asked)
    monkeypatch.undo()
    assert anatomy(asked).computed == 3


def test_networks_without_skips_are_those_that_run_without_them(
    tmp_path: Path,
) -> None:
    models = [{"name": "ViT", "zoo": "vit"}, {"name": "b", "zoo": "resnet"}]
    result = anatomy(study(tmp_path, models=models, anatomy=["ablation"], baseline=False))
    dataset = result.open("ViT", "ablation").load()
    vit = network("vit")
    x, sample = images(vit), from_sample(count=COUNT)
    (chosen,) = (tap for tap in taps(vit) if tap.name == "blocks.6")
    sums = [one for one in residuals(vit) if one.block == "blocks.3"]
    intact, whole = next(record(vit, [chosen], [x]))["blocks.6"], vit.module(x).argmax(1)
    with without_skip(vit, sums[0]), without_skip(vit, sums[1]):
        ablated, answers = next(record(vit, [chosen], [x]))["blocks.6"], vit.module(x).argmax(1)
    row = dataset["block"].values.tolist().index("blocks.3")
    assert dataset["block"].values.tolist()[0] == "intact"
    assert dataset["agreement"].values[0] == 1
    right = np.array(sample.labels) == answers.numpy()
    assert dataset["accuracy"].values[row] == right.mean()
    assert dataset["agreement"].values[row] == (answers == whole).float().mean()
    pair = (dataset["without"] == "blocks.3") & (dataset["tap"] == "blocks.6")
    expected = minibatch_cka([intact], [ablated])
    np.testing.assert_allclose(dataset["cka"].values[pair.values], [expected], rtol=1e-4)
    before = (dataset["without"] == "blocks.3") & (dataset["tap"] == "blocks.2")
    np.testing.assert_allclose(dataset["cka"].values[before.values], [1.0])
    table = rows(tmp_path, "without-skips", "ViT")
    np.testing.assert_array_equal(column(table, "accuracy"), dataset["accuracy"])
