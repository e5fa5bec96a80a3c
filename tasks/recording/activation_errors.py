"""TODO."""

from collections.abc import Iterator
from contextlib import contextmanager

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity import NonFinite
from seelike.storage.images import ImageSet


class Unsuited(AnalysisError):
    """Activations of ``tap`` are not what a measure needs."""

    def __init__(self, tap: str, why: str) -> None:
        super().__init__(f"{tap}: {why}")


@contextmanager
def at(tap: str) -> Iterator[None]:
    """Say at which tap activations are not finite, or not what a measure needs."""
    try:
        yield
    except NonFinite as error:
        raise NonFinite(error.row, tap) from error
    except AnalysisError as error:
        raise Unsuited(tap, str(error)) from error


@contextmanager
def naming(model: str, images: ImageSet, start: int) -> Iterator[None]:
    """Say of which model activations are unfit, and for which image; ``start`` is the batch's."""
    try:
        yield
    except NonFinite as error:
        raise AnalysisError(
            f"activations of {error.tap} in {model} are not finite, first for image "
            f"{images.ids[start + error.row]}; leave the tap or the image out, or use float32"
        ) from error
    except Unsuited as error:
        raise AnalysisError(f"{model}, tap {error}") from error
