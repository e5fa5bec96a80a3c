"""The layers of a model, and what a study would cost, before anything is computed."""

import json
import math
from dataclasses import replace

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.networks.recording.reduction import reduced_shape
from seelike.analysis.networks.speed import IMAGES, multiplications_per_second, seconds_per_image
from seelike.flows.commands.text import format_duration, format_table
from seelike.flows.run.opened_study import OpenedStudy, open_study
from seelike.flows.study.study import Study
from seelike.storage.store import Store
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.planning.resources import bytes_left, fits, format_bytes
from seelike.tasks.planning.survey import chosen_taps, network_of

HEADER = ("model", "layers", "images", "activations", "signatures", "still to write", "time")


def plan(study: Study) -> str:
    """Estimate what `compare` would record: layers, images, bytes and time of every model.

    Returns:
        A table with a row per model, then the totals and whether they fit into the store.

    Raises:
        StudyError, AnalysisError, StorageError: As the flow itself would, except for missing
            space and pretrained weights that are not here yet: the text says what is missing.
    """
    opened = open_study(study)
    rows: list[tuple[str, ...]] = [HEADER]
    needed = passes = 0
    seconds = 0.0
    rates: dict[str, float] = {}
    products = multiplications_per_second()
    absent = []
    for network in study.networks():
        known, one = _planned(opened, network)
        if known is not network:
            absent.append(one.name)
        left = bytes_left(one, store=opened.store, keep=study.keep, projection=study.sketch)
        lasts = _seconds(one, known, rates, products=products) if left else 0.0
        needed += left
        passes += left > 0
        seconds += lasts
        rows.append(_row(one, keep=study.keep, left=left, seconds=lasts))
    weights = f"; weights still to download: {', '.join(absent)}" if absent else ""
    return (
        f"{format_table(rows)}\ntime: {IMAGES} images through each architecture, and a product of "
        f"matrices, timed here just now ({products / 1e9:.0f} billion multiply-adds per second); "
        f"without reading images and writing{weights}\n"
        f"{passes} passes over {len(opened.images)} images, about {format_duration(seconds)}, "
        f"{format_bytes(needed)} to write, {_space(needed, opened.store)}"
    )


def _row(plan: ModelPlan, *, keep: str, left: int, seconds: float) -> tuple[str, ...]:
    """The cells of one model."""
    return (
        plan.name,
        str(len(plan.taps)),
        str(plan.images),
        format_bytes(plan.activation_bytes) if keep == "activations" else "not kept",
        "not kept" if keep == "sketches" else format_bytes(plan.signature_bytes),
        format_bytes(left),
        format_duration(seconds),
    )


def _planned(opened: OpenedStudy, network: StudyModel) -> tuple[StudyModel, ModelPlan]:
    """The plan of a network; as if untrained where its pretrained weights cannot be had."""
    try:
        return network, opened.plan(network)
    except AnalysisError:
        if not network.spec.pretrained:
            raise
        without = replace(network, spec=replace(network.spec, pretrained=False))
        return without, opened.plan(without)


def _seconds(
    plan: ModelPlan, network: StudyModel, rates: dict[str, float], *, products: float
) -> float:
    """Seconds of the forward passes and Grams; ``rates`` keeps the times of each architecture."""
    kind = json.dumps([plan.facts["architecture"], plan.facts["arguments"], plan.facts["input"]])
    if kind not in rates:
        rates[kind] = seconds_per_image(network_of(network))
    # A Gram is symmetric: half of its products are made.
    features = sum(math.prod(tap.shape) for tap in plan.taps)
    grams = sum((stop - start) ** 2 for start, stop in plan.bounds) / 2 * features
    return plan.images * rates[kind] + grams / products


def _space(needed: int, store: Store) -> str:
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
