"""Errors of activations that can't be compared, which gain model, image and id on their way out.

A measure knows the row of its batch (``NonFinite``); the step that reads batches adds the layer
(``in_layer``), the model and the image's number (``in_batch``); the task, which alone has the image
set, names the image (``image_named``).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import NonFinite
from seelike.storage.images import ImageSet


class UnfitLayer(AnalysisError):
    """Activations of a layer that a measure cannot take; the message names layer and reason."""

    def __init__(self, layer: str, reason: str) -> None:
        super().__init__(f"{layer}: {reason}")


class NonFiniteImage(AnalysisError):
    """Activations of a model that are NaN or infinite for an image.

    Attributes:
        model: The model.
        layer: The layer.
        number: The number of the first such image in the image set, from 0.
    """

    def __init__(self, model: str, layer: str, number: int, *, image: str | None = None) -> None:
        super().__init__(
            f"activations of {layer} in {model} are not finite, first for image "
            f"{number if image is None else image}; leave the layer or the image out, or use "
            "float32"
        )
        self.model, self.layer, self.number = model, layer, number

    def named(self, images: ImageSet) -> AnalysisError:
        """Return the same error with the image's id in place of its number."""
        image = images.ids[self.number]
        return AnalysisError(str(NonFiniteImage(self.model, self.layer, self.number, image=image)))


@contextmanager
def in_layer(layer: str) -> Iterator[None]:
    """Add the layer to errors of activations raised inside."""
    try:
        yield
    except NonFinite as error:
        raise NonFinite(error.row, layer) from error
    except AnalysisError as error:
        raise UnfitLayer(layer, str(error)) from error


@contextmanager
def in_batch(model: str, start: int) -> Iterator[None]:
    """Add the model, and the image's number, to errors that ``in_layer`` raises inside.

    Args:
        model: The model's name.
        start: The number of the batch's first image in the image set.
    """
    try:
        yield
    except NonFinite as error:
        raise NonFiniteImage(model, error.tap, start + error.row) from error
    except UnfitLayer as error:
        raise AnalysisError(f"{model}, layer {error}") from error


@contextmanager
def image_named(images: ImageSet) -> Iterator[None]:
    """Name the image, by its id in ``images``, in a ``NonFiniteImage`` raised inside."""
    try:
        yield
    except NonFiniteImage as error:
        raise error.named(images) from error
