"""Signatures of one batch of activations: a vector per measure, also from inside a forward hook."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from seelike.analysis.networks.recording.device_gram import DeviceGram, device_gram
from seelike.analysis.networks.recording.products import product
from seelike.analysis.similarity import NonFinite, unit
from seelike.analysis.similarity.gram import gram, gram_of_product
from seelike.analysis.similarity.measures import PairMeasure, TooFewImages, Undefined, pair_measure
from seelike.analysis.similarity.signature import packed
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.recording.activation_errors import in_layer

# By measure: a unit vector float32 and its length.
Vectors = Mapping[str, tuple[np.ndarray, float]]


def signatures_of(layer: str, activations: np.ndarray, measures: Sequence[str]) -> Vectors:
    """Compute the signatures of one layer on one batch.

    A measure that is not defined on the activations leaves zeros, and leaves the layer out when
    layers are compared (``seelike.tasks.comparison.undefined``).

    Args:
        layer: The layer's name, for errors.
        activations: float32 (images, *feature).
        measures: Names of measures of pairs of images.

    Returns:
        By measure a unit vector float32 (m,) and its length.

    Raises:
        NonFinite: For NaN and infinity, with row and layer.
        UnfitLayer: For fewer images than a measure takes.
    """
    with in_layer(layer):
        return {name: unit(_vector(pair_measure(name), activations)) for name in measures}


def hook_summary(layer: str, activations: Tensor, measures: Sequence[str]) -> DeviceGram | Vectors:
    """Reduce one layer's activations inside the forward hook.

    On a GPU, for CKA alone, the Gram is computed there while the pass goes on; ``finish_on_host``
    makes it a signature after the pass.

    Args:
        layer: The layer's name, for errors.
        activations: float32 (images, *feature), on the network's device.
        measures: Names of measures; the first is CKA, as in every study.

    Returns:
        The signatures, as ``signatures_of``, or the Gram on its way to main memory.

    Raises:
        NonFinite, UnfitLayer: As ``signatures_of``.
    """
    if activations.is_cuda and tuple(measures) == ("cka",):
        return device_gram(activations)
    values = activations.cpu().numpy()
    with in_layer(layer):
        # On torch's threads, which are there anyway; the others take NumPy's.
        linear = unit(packed(gram(values, product=product)))
    return {"cka": linear, **signatures_of(layer, values, measures[1:])}


def finish_on_host(layer: str, summary: DeviceGram | Vectors) -> Vectors:
    """Make a signature of a Gram left on the GPU; return signatures unchanged.

    Raises ``NonFinite`` with row and layer.
    """
    if not isinstance(summary, DeviceGram):
        return summary
    with in_layer(layer):
        row = summary.first_not_finite()
        if row is not None:
            raise NonFinite(row)
        product_, energy = summary.product()
        return {"cka": unit(packed(gram_of_product(product_, mean_energy=energy)))}


def attributes(plan: ModelPlan) -> dict[str, Any]:
    """Attributes beside the vectors of ``plan``: enough to name its layers without the network."""
    return {
        "model": plan.name,
        "facts": plan.facts,
        "depths": [tap.depth for tap in plan.taps],
        "baseline_of": plan.subject.baseline_of,
    }


def _vector(measure: PairMeasure, activations: np.ndarray) -> np.ndarray:
    try:
        return measure.vector(activations)
    except TooFewImages:
        raise  # So has every tap.
    except Undefined:
        return np.zeros(measure.pairs.length(len(activations)))
