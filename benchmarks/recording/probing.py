"""Item 9: probing all taps, beside recording them and beside a logistic regression per tap."""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.harness import markdown, product
from benchmarks.harness.clock import interleaved, spread, timed
from benchmarks.harness.item import Goal, Item, Result
from benchmarks.harness.networks import TOY_VIT
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.probing import FULL, Probing
from seelike.analysis.probing.features import MEAN, pooled
from seelike.storage.arrays import xarray_datasets
from seelike.storage.arrays.recordings import Recording, open_recording
from seelike.storage.images import ImageSet
from seelike.storage.store import Store, open_store
from seelike.tasks.planning.image_sources import open_images
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.planning.survey import survey
from seelike.tasks.probing import ANALYSIS, axes_of, probe_here, split_of
from seelike.tasks.recording.record import record_shard
from seelike.tasks.runtime.threads import one_blas_thread

FULL_SIZE = {"count": 1024, "batch": 256, "forward_batch": 64, "repeats": 3}
TOY_SIZE = {"count": 120, "batch": 60, "forward_batch": 60, "repeats": 1}
MODELS: dict[str, dict[str, Any]] = {
    "ViT of the zoo": {"zoo": "vit"},
    "ResNet of the zoo": {"zoo": "resnet"},
}
TOY: dict[str, dict[str, Any]] = {"toy ViT": TOY_VIT}
SHOTS = {False: (1, 5, 10), True: (1, 2)}
MOST = 2.0
MEMORY = 4 * 10**9


def measure(*, quick: bool, device: str) -> Result:
    """Seconds of recording, of all probes, and of a logistic regression for every tap."""
    size = TOY_SIZE if quick else FULL_SIZE
    images = open_images("sample", count=size["count"])
    models = TOY if quick else MODELS
    return {
        **size,
        "shots": list(SHOTS[quick]),
        "draws": Probing().draws,
        "models": {
            label: _model(spec, images, size, shots=SHOTS[quick], device=device)
            for label, spec in models.items()
        },
    }


def _model(
    spec: dict[str, Any],
    images: ImageSet,
    size: dict[str, int],
    *,
    shots: tuple[int, ...],
    device: str,
) -> dict[str, Any]:
    subject = StudyModel(ModelSpec("network", **spec), ("blocks",), trained="zoo" in spec)
    plan = survey.fn(
        subject,
        images=images.digest,
        count=len(images),
        batch=size["batch"],
        reduction="flatten",
    )
    with tempfile.TemporaryDirectory() as folder:
        store = product.temporary_store(folder)
        # Another seed splits the images differently, so that stored probes are not reused.
        seeds = count()
        _recorded(plan, images, size, store.url, device)
        calls: dict[str, Callable[[], object]] = {
            "record": partial(_recorded_anew, plan, images, size, device),
            "probe": lambda: _probed(plan, images, store, Probing(shots=shots, seed=next(seeds))),
            "logistic": partial(_held, _logistic, plan, images, store, Probing(shots=shots)),
        }
        timed(calls["probe"], device=device)
        runs = interleaved(calls, repeats=size["repeats"], device=device)
    ratio = [p.seconds / r.seconds for p, r in zip(runs["probe"], runs["record"], strict=True)]
    return {
        "taps": len(plan.taps),
        **{name: spread(run.seconds for run in each) for name, each in runs.items()},
        "ratio": spread(ratio),
        "probes": runs["probe"][-1].value["probes"],
        "accuracy": runs["probe"][-1].value["accuracy"],
        "logistic_accuracy": runs["logistic"][-1].value,
    }


def _recorded(
    plan: ModelPlan, images: ImageSet, size: dict[str, int], store: str, device: str
) -> None:
    """The whole task: loading, reading images, computing, writing."""
    record_shard.fn(
        plan,
        images,
        store=store,
        keep="activations",
        number=0,
        shard=range(len(plan.bounds)),
        device=device,
        forward_batch=size["forward_batch"],
    )


def _recorded_anew(plan: ModelPlan, images: ImageSet, size: dict[str, int], device: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _recorded(plan, images, size, product.temporary_store(folder).url, device)


def _probed(plan: ModelPlan, images: ImageSet, store: Store, design: Probing) -> dict[str, float]:
    """The whole task: reading, learning, testing, intervals, writing; the full probes' mean."""
    found = probe_here(plan, images, design=design, store=store.url, memory=MEMORY)
    dataset = xarray_datasets.read(open_store(store.url), found.name, kind=ANALYSIS)
    rows = (dataset["shots"].values == FULL) & (dataset["feature"].values == MEAN)
    return {
        "probes": float(dataset.sizes["probe"]),
        "accuracy": float(dataset["accuracy"].values[rows].mean()),
    }


def _logistic(plan: ModelPlan, images: ImageSet, store: Store, design: Probing) -> float:
    """One on the mean of the spatial tokens of every tap; its accuracy, mean over taps."""
    split = split_of(images, design)
    accuracies = []
    for x in _features(plan, open_recording(store, plan.recording)):
        scaled = StandardScaler().fit(x[split.train])
        learnt = LogisticRegression(max_iter=1000).fit(
            scaled.transform(x[split.train]), split.target[split.train]
        )
        accuracies.append(learnt.score(scaled.transform(x[split.test]), split.target[split.test]))
    return float(np.mean(accuracies))


def _held(call: Callable[..., float], *arguments: Any) -> float:
    """``call`` with BLAS on one thread, which is the faster way for matrices of this size."""
    with one_blas_thread():
        return call(*arguments)


def _features(plan: ModelPlan, recording: Recording) -> Iterator[np.ndarray]:
    for tap, axes in axes_of(plan).items():
        batches = [pooled(recording.read(i, tap), axes) for i in range(len(plan.bounds))]
        yield np.concatenate(batches)[:, axes.pooled.index(MEAN)]


def goals(result: Result) -> list[Goal]:
    """The slowest model counts."""
    ratios = {label: found["ratio"]["median"] for label, found in result["models"].items()}
    summary = ", ".join(f"{label} {markdown.times(ratio)}" for label, ratio in ratios.items())
    return [
        Goal(
            "probing all taps over one recording pass",
            f"<= {markdown.times(MOST)}",
            summary,
            max(ratios.values()) <= MOST,
        )
    ]


def section(result: Result) -> str:
    """One row per model."""
    rows = [
        (
            f"{label} ({found['taps']} taps)",
            markdown.seconds(found["record"]),
            markdown.seconds(found["probe"]),
            markdown.times(found["ratio"]["median"]),
            f"{found['probes']:.0f}",
            f"{1000 * found['probe']['median'] / found['probes']:.1f}",
            f"{1000 * found['logistic']['median'] / found['taps']:.1f}",
            f"{found['accuracy']:.3f}",
            f"{found['logistic_accuracy']:.3f}",
        )
        for label, found in result["models"].items()
    ]
    shots = ", ".join(map(str, result["shots"]))
    return "\n\n".join(
        (
            f"{result['count']} images of the shipped sample, taps `blocks`: probes of class "
            f"token and mean with {shots} shots ({result['draws']} draws) and all training images, "
            f"of every single token with {result['shots'][-1]}. `probe` is the whole task that "
            "reads the recording, learns, tests and writes; `record` the whole task that records. "
            "The logistic regression is scikit-learn's at its default penalty, one per tap, on the "
            "mean alone and all training images, reading included, with BLAS on one thread.",
            markdown.table(
                (
                    "model",
                    "record (s)",
                    "probe (s)",
                    "probe / record",
                    "probes",
                    "a probe (ms)",
                    "a logistic regression (ms)",
                    "accuracy, full probes",
                    "accuracy, logistic",
                ),
                rows,
            ),
        )
    )


ITEM = Item("probing", "Probing all taps", measure, goals, section)
