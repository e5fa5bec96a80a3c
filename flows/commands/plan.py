"""Looking before computing: the taps of a model, and what a study would cost."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.networks.recording.reduction import reduced_shape
from seelike.analysis.networks.speed import IMAGES, multiplications_a_second, seconds_an_image
from seelike.flows.run.study_run import images_of, subjects_of, surveyed
from seelike.flows.study.study import Study
from seelike.storage.images import ImageSet
from seelike.storage.store import Store, locate
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.planning.resources import bytes_left, fits, megabytes
from seelike.tasks.planning.survey import chosen_taps, network_of


def plan(study: Study) -> str:
    """A table of what `compare` would record: models, taps, images, bytes and time.

    Errors are those of the flow itself, save those for space and for pretrained weights that
    can't be had here: this says what is missing.
    """
    images = images_of(study)
    store = locate(study.store)
    rows = [("model", "taps", "images", "activations", "signatures", "still to write", "time")]
    needed = passes = 0
    seconds = 0.0
    rates: dict[str, float] = {}
    products = multiplications_a_second()
    absent = []
    for subject in subjects_of(study):
        known, one = _surveyed(subject, study, images)
        if known is not subject:
            absent.append(one.name)
        left = bytes_left(one, store=store, keep=study.keep, projection=study.sketch)
        lasts = _seconds(one, known, rates, products=products) if left else 0.0
        needed += left
        passes += left > 0
        seconds += lasts
        rows.append(
            (
                one.name,
                str(len(one.taps)),
                str(one.images),
                megabytes(one.activation_bytes) if study.keep == "activations" else "not kept",
                "not kept" if study.keep == "sketches" else megabytes(one.signature_bytes),
                megabytes(left),
                duration(lasts),
            )
        )
    weights = f"; not here yet: the weights of {', '.join(absent)}" if absent else ""
    return (
        f"{table(rows)}\ntime: {IMAGES} images through each architecture, and a product of "
        f"matrices, timed here just now ({products / 1e9:.0f} billion multiply-adds a second); "
        f"without reading images and writing{weights}\n"
        f"{passes} passes over {len(images)} images, about {duration(seconds)}, "
        f"{megabytes(needed)} to write, {_room(needed, store)}"
    )


def _surveyed(subject: StudyModel, study: Study, images: ImageSet) -> tuple[StudyModel, ModelPlan]:
    """The plan of a subject; as if untrained where its pretrained weights can't be had."""
    try:
        return subject, surveyed(subject, study, images)
    except AnalysisError:
        if not subject.spec.pretrained:
            raise
        without = replace(subject, spec=replace(subject.spec, pretrained=False))
        return without, surveyed(without, study, images)


def _seconds(
    plan: ModelPlan, subject: StudyModel, rates: dict[str, float], *, products: float
) -> float:
    """Seconds of ``plan``'s forward passes and Grams; ``rates`` keeps what was timed by kind."""
    kind = json.dumps([plan.facts["architecture"], plan.facts["arguments"], plan.facts["input"]])
    if kind not in rates:
        rates[kind] = seconds_an_image(network_of(subject))
    # A Gram is symmetric: half of its products are made.
    features = sum(math.prod(tap.shape) for tap in plan.taps)
    grams = sum((stop - start) ** 2 for start, stop in plan.bounds) / 2 * features
    return plan.images * rates[kind] + grams / products


def duration(seconds: float) -> str:
    """A time as a person reads it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _room(needed: int, store: Store) -> str:
    """Whether ``needed`` bytes go into ``store``."""
    free = store.free_bytes()
    if free is None:
        return f"no limit known in {store.url}"
    fit = fits(needed, free=free)
    verdict = "fits" if fit else "DOES NOT FIT; set keep: signatures, or fewer images"
    return f"{megabytes(free)} free in {store.url}: {verdict}"


def layers(model: str, patterns: list[str], *, reduction: str) -> str:
    """A table of the taps that ``patterns`` choose in ``model`` (a timm name, or ``zoo:NAME``).

    timm models are built without weights: their taps do not depend on them.
    """
    zoo = model.removeprefix("zoo:") if model.startswith("zoo:") else None
    spec = ModelSpec(name=model, timm=None if zoo else model, zoo=zoo)
    subject = StudyModel(spec, tuple(patterns), trained=zoo is not None)
    network = network_of(subject)
    rows = [("tap", "shape", "bytes an image", "depth")]
    for tap in chosen_taps(network, subject):
        shape = reduced_shape(tap, reduction)
        size = 4
        for n in shape:
            size *= n
        rows.append((tap.name, " x ".join(map(str, shape)), f"{size:,}", f"{tap.depth:.2f}"))
    return f"{table(rows)}\n{len(rows) - 1} taps, input {network.input_size}"


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows of text in columns; the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
