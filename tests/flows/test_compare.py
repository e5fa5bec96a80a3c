"""The whole way: from images to a report, resumed, repeated, and refused."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import xarray as xr
from prefect.exceptions import ParameterTypeError

import seelike.tasks.recording.forward_passes
from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.measures import MEASURES
from seelike.flows.cli.main import main
from seelike.flows.commands.store import remove
from seelike.flows.compare import compare
from seelike.flows.errors import StudyError
from seelike.storage.errors import StorageError
from seelike.tasks.recording.activations import ActivationSink
from seelike.tasks.runtime import cancellation

pytestmark = pytest.mark.usefixtures("server")


def study(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    tiny = {"img_size": 32, "patch_size": 16, "embed_dim": 24, "depth": 2, "num_heads": 2}
    return {
        "name": "tiny",
        "store": str(tmp_path / "store"),
        "images": {"source": "sample", "count": 66},
        "models": [
            {"name": "ResNet", "zoo": "resnet"},
            {"name": "colour ViT", "timm": "vit_tiny_patch16_224", "arguments": tiny},
        ],
        "batch": 16,
        "report": str(tmp_path / "report"),
    } | changes


def test_both_ways_of_keeping_agree_and_a_second_run_records_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = compare(study(tmp_path))
    streamed = compare(study(tmp_path, keep="signatures", store=str(tmp_path / "other")))
    one, two = kept.open(), streamed.open()
    np.testing.assert_allclose(one["cka"], two["cka"], atol=1e-5)
    assert dict.fromkeys(one["model_a"].values.tolist()) == dict.fromkeys(
        ["ResNet", "colour ViT", "ResNet untrained"]
    )
    assert (tmp_path / "other" / "recordings").exists() is False
    plain = xr.open_zarr(kept.url, consolidated=False)
    assert np.isfinite(plain["cka"]).all()
    assert (plain["cka_low"] <= plain["cka_high"] + 1e-12).all()
    np.testing.assert_allclose(np.diag(plain["cka"]), 1.0)
    page = (tmp_path / "report" / "index.html").read_text()
    assert "colour ViT" in page

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a forward pass although everything is there")

    monkeypatch.setattr(seelike.tasks.recording.forward_passes, "summarise", refuse)
    assert compare(study(tmp_path)).name == kept.name


def test_one_more_model_runs_that_model_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: Counter[str] = Counter()
    summarise = seelike.tasks.recording.forward_passes.summarise

    def counted(network: Any, taps: Any, batches: Any, **named: Any) -> Any:
        def count(pieces: Any) -> Iterator[Any]:
            for piece in pieces:
                passes[network.name] += 1
                yield piece

        return summarise(network, taps, (count(batch) for batch in batches), **named)

    monkeypatch.setattr(seelike.tasks.recording.forward_passes, "summarise", counted)
    every = study(tmp_path, baseline=False)["models"]
    compare(study(tmp_path, models=every[:1], baseline=False))
    assert passes == {"ResNet": 4}
    both = compare(study(tmp_path, models=every, baseline=False))
    assert passes == {"ResNet": 4, "colour ViT": 4}
    assert both.recorded == 4
    # The activations may go: what is compared next are the signatures.
    remove(str(tmp_path / "store"), "recordings")
    compare(study(tmp_path, models=every[::-1], baseline=False))
    assert sum(passes.values()) == 8


def test_every_measure_goes_the_whole_way(tmp_path: Path) -> None:
    names = [name for name in MEASURES if name not in ("svcca", "pwcca")]
    asked = study(
        tmp_path,
        similarity=[*names, "cka_rbf:0.2"],
        sweep=True,
        baseline=False,
        permutations=20,
        fit_permutations=10,
        images={"source": "sample", "count": 64},
        batch=32,
    )
    dataset = compare(asked).open().load()
    for name in [*names, "cka_rbf_0.2"]:
        for suffix in ("", "_low", "_high"):
            assert np.isfinite(dataset[name + suffix]).all(), name
        # Two draws a permutation; twice as many permutations where they give one.
        least = 1 / (1 + 2 * (10 if name in ("procrustes", "predictivity") else 20))
        assert (dataset[f"{name}_p"] >= least - 1e-12).all(), name
        assert float(dataset[f"{name}_p"].min()) == pytest.approx(least), name
        assert (dataset[f"{name}_q"] >= dataset[f"{name}_p"] - 1e-12).all(), name
        above = dataset[name] > dataset[f"{name}_critical"] - 1e-6
        np.testing.assert_array_equal(above, dataset[f"{name}_p"] <= 0.05, name)
        np.testing.assert_array_equal(above, dataset[f"{name}_calibrated"] > 0, name)
        assert dataset[f"{name}_best_p"].dims == ("tap_a", "other_model")
        assert (dataset[f"{name}_best_q"] >= dataset[f"{name}_best_p"] - 1e-12).all(), name
        assert dataset[f"{name}_block_p"].dims == ("own_model", "other_model")
        corrected = dataset[f"{name}_block_p_corrected"]
        assert (corrected >= dataset[f"{name}_block_p"] - 1e-12).all(), name
    np.testing.assert_array_less(np.abs(dataset["cka"] - dataset["cka_exact"]).mean(), 0.2)
    # All 64 images in one batch: the minibatch estimate is the exact one.
    last = dataset["sweep_error_max"].sel(images=64, batch_size=64)
    assert float(last) < 1e-5
    page = (tmp_path / "report" / "index.html").read_text()
    for words in (
        "Beyond chance",
        "By the other measures; families of tests",
        "each model is a family of tests",
        "Images and batch size",
        "By other measures",
        "in batches against CKA over all",
    ):
        assert words in page


def test_cca_goes_the_whole_way_where_it_is_defined(tmp_path: Path) -> None:
    asked = study(tmp_path, similarity=["svcca", "pwcca"], reduction="mean", baseline=False)
    asked |= {"models": asked["models"][1:], "batch": 66, "permutations": 0}
    dataset = compare(asked).open().load()
    np.testing.assert_allclose(np.diag(dataset["svcca"]), 1.0, atol=1e-6)
    flat = study(tmp_path, similarity=["svcca"], baseline=False)
    with pytest.raises(AnalysisError, match=r"not defined at any of \d+ taps; .*components hold"):
        compare(flat)


def test_cca_leaves_out_the_layers_where_it_is_not_defined(tmp_path: Path) -> None:
    asked = study(tmp_path, similarity=["cka", "svcca"], reduction="mean", baseline=False)
    dataset = compare(asked | {"batch": 33, "fit_permutations": 10}).open().load()
    undefined = dataset.attrs["undefined"]["svcca"]
    taps = zip(dataset["model_a"].values, dataset["tap_a"].values, strict=True)
    gone = np.array([f"{model}: {tap}" in undefined for model, tap in taps])
    assert 0 < gone.sum() < len(gone)
    np.testing.assert_array_equal(np.isnan(dataset["svcca_q"]), gone[:, None] | gone)
    assert np.isfinite(dataset["cka"]).all()
    page = (tmp_path / "report" / "index.html").read_text()
    assert "is not defined at" in page
    assert ">nan<" not in page.lower()


KILLED = """
import os, signal, sys, time
from seelike.flows.run.opened_study import open_study
from seelike.flows.study.study import Study
from seelike.storage.arrays.recordings import Recording
from seelike.tasks.runtime import cancellation
from seelike.storage.store import make_store
from seelike.tasks.recording.record import record_shard

study = Study.model_validate(sys.argv[1])
write = Recording.write_tap
def killed(self, batch, tap, values):
    # In the middle of a batch, after the one before was marked.
    if batch == 2 and tap == self.taps[1]:
        while len(self.missing()) > 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    return write(self, batch, tap, values)
if sys.argv[2] == "kill":
    Recording.write_tap = killed
make_store(study.store)
opened = open_study(study)
plan = opened.plan(study.networks()[0])
print(record_shard.fn(plan, opened.images, store=study.store, keep="activations", number=0,
                      shard=range(4), device="cpu", forward_batch=16))
"""


def test_a_killed_recording_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    import yaml

    def run(store: str, how: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / f"{store}.yaml"
        file.write_text(yaml.safe_dump(study(tmp_path, store=str(tmp_path / store))))
        return subprocess.run(
            [sys.executable, "-c", KILLED, str(file), how],
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=False,
        )

    assert run("broken", "kill").returncode == -signal.SIGKILL
    resumed = run("broken", "on")
    assert resumed.stdout.strip() == "2", resumed.stderr
    assert run("whole", "on").stdout.strip() == "4"

    def content(store: str) -> dict[str, bytes]:
        root = tmp_path / store / "recordings"
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    assert content("broken") == content("whole")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"models": [{"name": "m", "timm": "resnet5"}]}, AnalysisError, "resnet50"),
        ({"models": [{"name": "m", "zoo": "resnte"}]}, StorageError, "nearest: 'resnet'"),
        ({"similarity": ["procrutes"]}, ParameterTypeError, "nearest: 'procrustes'"),
        ({"permutations": 9}, ParameterTypeError, "9 permutations, expected 0 or at least 10"),
        (
            {"similarity": ["rsa", "pwcca"], "keep": "signatures"},
            ParameterTypeError,
            "pwcca needs activations, which keep: signatures does not store",
        ),
        ({"compute": {"device": "cuda:9"}}, AnalysisError, "device 'cuda:9'"),
        (
            {"models": [{"name": "a", "zoo": "vit"}, {"name": "a untrained", "zoo": "vit"}]},
            ParameterTypeError,
            "two models are named 'a untrained', untrained baselines included",
        ),
        ({"taps": ["layer*.*.bn9"]}, AnalysisError, "matched nothing"),
        ({"images": {"source": "folder:absent"}}, StorageError, "does not exist"),
        ({"images": {"source": "sample", "count": 3}}, ParameterTypeError, "images.count"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        compare(study(tmp_path, **changes))
    assert not (tmp_path / "store").exists()


def test_a_report_folder_that_is_a_file_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("x")
    with pytest.raises(StorageError, match="notes is a file; name another folder"):
        compare(study(tmp_path, report=str(tmp_path / "notes" / "here")))
    assert not (tmp_path / "store").exists()


def test_an_interrupt_ends_recordings_at_the_next_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, finished = ActivationSink.finish, []

    def interrupted(self: ActivationSink) -> None:
        finish(self)
        finished.append(self.kept)
        # What Ctrl-C does to the flow's own thread, while recordings run on others.
        cancellation.stop()

    monkeypatch.setattr(ActivationSink, "finish", interrupted)
    with pytest.raises(AnalysisError, match="was interrupted; the same run goes on"):
        compare(study(tmp_path, baseline=False))
    # The batch that was finished is not lost.
    assert [one.missing() for one in finished] == [[1, 2, 3]]
    with pytest.raises(KeyboardInterrupt), cancellation.stopping_on_interrupt():
        assert not cancellation.stopped()
        raise KeyboardInterrupt
    assert cancellation.stopped()
    monkeypatch.undo()
    assert compare(study(tmp_path, baseline=False)).recorded > 0


def test_no_space_is_refused_with_both_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seelike.storage.store.Store.free_bytes", lambda _: 1000)
    with pytest.raises(StorageError, match=r"needs 106\.0 MB in .*, 1\.0 kB are free"):
        compare(study(tmp_path))
    assert not (tmp_path / "store").exists()


def test_the_command_line_answers_a_misspelt_key_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("modles: []\nmodels: [{name: a, zoo: vit}]\n")
    assert main(["compare", str(file)]) == 2
    said = capsys.readouterr().err
    assert "unknown key 'modles'; nearest: 'models'" in said
    assert said.count("\n") == 1
    with pytest.raises(StudyError, match="does not exist"):
        from seelike.flows.study.reading import read_study

        read_study(tmp_path / "absent.yaml")


def test_exact_beyond_the_memory_given_is_refused_before_anything_is_recorded(
    tmp_path: Path,
) -> None:
    asked = study(tmp_path, similarity=["cka_exact"], compute={"memory": 0.2}, baseline=False)
    with pytest.raises(AnalysisError, match=r"0\.2.* GB|GB.*0\.2"):
        compare(asked)
    assert not (tmp_path / "store").exists()


def test_more_pairs_than_memory_holds_are_refused_before_anything_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(AnalysisError, match=r"of memory, 1\.0 kB are free; .*`seelike map`"):
        compare(study(tmp_path, baseline=False))
    assert not (tmp_path / "store").exists()
