"""The shipped handwritten digits as an image set, with labels."""

from functools import partial

from PIL import Image

from seelike.storage.datasets import digits
from seelike.storage.images.image_set import Candidate, ImageSet, select


def from_digits(*, count: int | None = None, seed: int = 0) -> ImageSet:
    """Make the image set of the 1 797 shipped digits.

    Ids are ``digit-`` and the place in scikit-learn's order.

    Args:
        count: Number of images; None for all.
        seed: Seed of the choice and order.
    """
    images, labels = digits.read()
    candidates = [
        Candidate(
            id=f"digit-{place:04d}",
            content=partial(bytes, image.tobytes()),
            decode=_decode,
            label=int(label),
        )
        for place, (image, label) in enumerate(zip(images, labels, strict=True))
    ]
    return select(candidates, source="digits", count=count, seed=seed)


def _decode(content: bytes) -> Image.Image:
    return Image.frombytes("L", (digits.SIZE, digits.SIZE), content)
