"""The layers of a model, and what a study would cost, before anything is computed."""

import json
import math
from dataclasses import replace

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.networks.recording.reduction import reduced_shape
from seelike.analysis.networks.speed import IMAGES, multiplications_per_second, seconds_per_image
from seelike.flows.commands.text import format_duration, format_table
from seelike.flows.run.study_run import images_of, subjects_of, surveyed
from seelike.flows.study.study import Study
from seelike.storage.images import ImageSet
from seelike.storage.store import Store, locate
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.planning.resources import bytes_left, fits, format_bytes
from seelike.tasks.planning.survey import chosen_taps, network_of


def plan(study: Study) -> str:
    """Estimate what `compare` would record: layers, images, bytes and time of every model.

    Returns:
        A table with a row per model, then the totals and whether they fit into the store.

    Raises:
        StudyError, AnalysisError, StorageError: As the flow itself would, except for missing
            space and pretrained weights that are not here yet: the text says what is missing.
    """
    images = images_of(study)
    store = locate(study.store)
    rows = [("model", "layers", "images", "activations", "signatures", "still to write", "time")]
    needed = passes = 0
    seconds = 0.0
    rates: dict[str, float] = {}
    products = multiplications_per_second()
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
                format_bytes(one.activation_bytes) if study.keep == "activations" else "not kept",
                "not kept" if study.keep == "sketches" else format_bytes(one.signature_bytes),
                format_bytes(left),
                format_duration(lasts),
            )
        )
    weights = f"; not here yet: the weights of {', '.join(absent)}" if absent else ""
    return (
        f"{format_table(rows)}\ntime: {IMAGES} images through each architecture, and a product of "
        f"matrices, timed here just now ({products / 1e9:.0f} billion multiply-adds per second); "
        f"without reading images and writing{weights}\n"
        f"{passes} passes over {len(images)} images, about {format_duration(seconds)}, "
        f"{format_bytes(needed)} to write, {_room(needed, store)}"
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
        rates[kind] = seconds_per_image(network_of(subject))
    # A Gram is symmetric: half of its products are made.
    features = sum(math.prod(tap.shape) for tap in plan.taps)
    grams = sum((stop - start) ** 2 for start, stop in plan.bounds) / 2 * features
    return plan.images * rates[kind] + grams / products


def _room(needed: int, store: Store) -> str:
    """Whether ``needed`` bytes go into ``store``."""
    free = store.free_bytes()
    if free is None:
        return f"no limit known in {store.url}"
    fit = fits(needed, free=free)
    verdict = "fits" if fit else "DOES NOT FIT; set keep: signatures, or fewer images"
    return f"{format_bytes(free)} free in {store.url}: {verdict}"


def layers(model: str, patterns: list[str], *, reduction: str) -> str:
    """List the layers that ``patterns`` choose in a model.

    Args:
        model: A timm name, or ``zoo:NAME``. timm models are built without weights, on which the
            layers do not depend.
        patterns: ``blocks``, ``paper``, or glob patterns over the names of modules.
        reduction: What of a layer is kept: ``flatten``, ``cls``, ``mean`` or ``tokens``.

    Returns:
        A table with a row per layer, in the order in which they run, then their number.

    Raises:
        AnalysisError: The model or a pattern is unknown.
    """
    zoo = model.removeprefix("zoo:") if model.startswith("zoo:") else None
    spec = ModelSpec(name=model, timm=None if zoo else model, zoo=zoo)
    subject = StudyModel(spec, tuple(patterns), trained=zoo is not None)
    network = network_of(subject)
    rows = [("layer", "shape", "bytes per image", "depth")]
    for tap in chosen_taps(network, subject):
        shape = reduced_shape(tap, reduction)
        size = 4 * math.prod(shape)
        rows.append((tap.name, " x ".join(map(str, shape)), f"{size:,}", f"{tap.depth:.2f}"))
    return f"{format_table(rows)}\n{len(rows) - 1} layers, input {network.input_size}"
