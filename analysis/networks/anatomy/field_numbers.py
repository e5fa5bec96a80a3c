"""Numbers of a receptive field: its share in a patch, and the radius that holds a share."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError

Array = npt.NDArray[np.float64]
# Radii above this share of a uniform field's are limited by the image.
AT_EDGE = 0.95
# How far a pixel's amount is spread to both sides of its distance: to the corner of a pixel. Over
# a triangle of that width it has the variance of a pixel's own area, 1/12.
SPREAD = 0.5**0.5
# Halvings of an interval of that width, after which it is as narrow as float64 resolves.
HALVINGS = 50


@dataclass(frozen=True)
class Patch:
    """A rectangle of the input, in pixels from its top left corner."""

    top: float
    left: float
    height: float
    width: float


def centre_share(field: Array, patch: Patch) -> float:
    """Compute the share of a field inside a patch; a pixel that the patch cuts counts in part.

    Args:
        field: Gradient per pixel (height, width), at least zero.
        patch: The patch.

    Returns:
        The share, 0 to 1.

    Raises:
        AnalysisError: For a field without gradient and a patch that reaches beyond it.
    """
    return float(within(_weights(field)[None], patch)[0])


def within(fields: Array, patch: Patch) -> Array:
    """Sum fields inside a patch; a pixel that the patch cuts counts in part.

    Args:
        fields: Gradients (n, height, width).
        patch: The patch.

    Returns:
        Sums (n,).

    Raises:
        AnalysisError: For a patch that reaches beyond the fields.
    """
    below, right = fields.shape[1] - patch.height, fields.shape[2] - patch.width
    if not (0 <= patch.top <= below and 0 <= patch.left <= right):
        raise AnalysisError(
            f"{patch} is not inside a field of {fields.shape[1:]} pixels; take the patch and the "
            f"field of the same network"
        )
    rows = _covered(fields.shape[1], patch.top, patch.height)
    columns = _covered(fields.shape[2], patch.left, patch.width)
    held: Array = rows @ fields @ columns
    return held


def radius(field: Array, patch: Patch, *, share: float) -> float:
    """Compute the radius in pixels around a patch's middle that holds ``share`` of a field.

    A pixel counts at the distance of its own middle, spread as far as its corner to both sides:
    see ``radius_within``. For a share of 1 a field of the middle pixel alone has the radius of its
    corner, 0.71 pixels.

    Args:
        field: Gradient per pixel (height, width), at least zero.
        patch: The patch that the field belongs to.
        share: Above 0 and at most 1: 0.5 and 0.95 describe a field.

    Returns:
        The radius, in pixels. It can't exceed the image: compare ``uniform_radius``.

    Raises:
        AnalysisError: For another share, and for a field without gradient.
    """
    if not 0 < share <= 1:
        raise AnalysisError(f"share is {share}, expected above 0 and at most 1, such as 0.5")
    distances, held = by_distance(_weights(field)[None], patch)
    return float(radius_within(distances, held, share=share)[0])


def uniform_radius(size: tuple[int, int], patch: Patch, *, share: float) -> float:
    """Compute the radius that holds ``share`` of an image whose pixels all count alike.

    A field's radius near this one says how large the image is, not how large the field would be:
    see ``at_edge``.

    Args:
        size: Height and width of the image, in pixels.
        patch: The patch around whose middle the radius is taken.
        share: Above 0 and at most 1.

    Returns:
        The radius, in pixels.

    Raises:
        AnalysisError: As ``radius``.
    """
    return radius(np.ones(size), patch, share=share)


def at_edge(radii: npt.ArrayLike, uniform: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether radii reach ``AT_EDGE`` of a uniform field's: limited by the image's edge."""
    reached: npt.NDArray[np.bool_] = np.asarray(radii) >= AT_EDGE * np.asarray(uniform)
    return reached


def by_distance(fields: Array, patch: Patch) -> tuple[Array, Array]:
    """Sum fields (n, height, width) at each distance from a patch's middle.

    Returns:
        The distances (d,) of pixels' own middles in pixels, ascending, and the sums (n, d):
        ``radius_within`` takes both.
    """
    rows = np.arange(fields.shape[1]) + 0.5 - (patch.top + patch.height / 2)
    columns = np.arange(fields.shape[2]) + 0.5 - (patch.left + patch.width / 2)
    distances, where = np.unique(np.hypot(rows[:, None], columns), return_inverse=True)
    held = [np.bincount(where.ravel(), weights=field.ravel()) for field in fields]
    return distances, np.stack(held)


def radius_within(distances: Array, held: Array, *, share: float) -> Array:
    """Find the radius within which lies ``share`` of the amounts at each distance.

    An amount is spread around its distance by a triangle that reaches ``SPREAD`` to both sides
    (not below 0). So the amount inside a circle grows without kinks, and the radius is a smooth
    function of the amounts, as a jackknife needs.

    Args:
        distances: Distances (d,) in pixels, ascending, at least 0.
        held: Amounts (n, d) at each of them, at least zero, each row with a sum above zero.
        share: Above 0 and at most 1.

    Returns:
        Radii (n,), in pixels, float64.
    """
    total = np.cumsum(held, axis=1)
    goal = share * total[:, -1]
    # Unspread, the goal is reached at one distance: the radius is within SPREAD of it, and
    # amounts farther than twice that are inside or outside as a whole.
    reached = distances[(total >= goal[:, None]).argmax(axis=1)]
    first, last = np.searchsorted(
        distances, [reached.min() - 2 * SPREAD, reached.max() + 2 * SPREAD]
    )
    whole = total[:, first - 1] if first else np.zeros(len(held))
    low, high = reached - SPREAD, reached + SPREAD
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        inside = whole + (held[:, first:last] * _inside(middle, distances[first:last])).sum(axis=1)
        low, high = np.where(inside < goal, middle, low), np.where(inside < goal, high, middle)
    radii: Array = high
    return radii


def _inside(radii: Array, distances: Array) -> Array:
    """The part (n, d) of a spread amount at each distance that lies within each radius."""
    start = np.maximum(distances - SPREAD, 0)
    place = np.clip((radii[:, None] - start) / (distances + SPREAD - start), 0, 1)
    part: Array = np.where(place < 0.5, 2 * place**2, 1 - 2 * (1 - place) ** 2)
    return part


def _covered(pixels: int, start: float, length: float) -> Array:
    """Length of each of a row of pixels that lies between start and start + length."""
    edges = np.clip(np.arange(pixels + 1), start, start + length)
    covered: Array = np.diff(edges)
    return covered


def _weights(field: Array) -> Array:
    """Scale ``field`` to sum 1; raise ``AnalysisError`` where it is no field."""
    if field.ndim != 2 or not np.isfinite(field).all() or (field < 0).any() or not field.any():
        raise AnalysisError(
            f"a field of shape {field.shape} is no receptive field, expected (height, width) with "
            f"numbers of at least zero, not all zero; make one with receptive_field"
        )
    weights: Array = field / field.sum()
    return weights
