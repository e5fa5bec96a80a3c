"""The shipped sample: 2 048 images of Fashion-MNIST's test set (Xiao et al. 2017, MIT)."""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from seelike.storage.images.image_set import Candidate, ImageSet, select

SHIPPED = Path(__file__).parent.parent / "shipped" / "sample"
SIZE = 28


def from_sample(*, count: int | None = None, seed: int = 0) -> ImageSet:
    """Make the image set of the 2 048 shipped test images of Fashion-MNIST.

    Ids are ``test-`` and the place in the test set.

    Args:
        count: Number of images; None for all.
        seed: Seed of the choice and order.
    """
    with np.load(SHIPPED / "fashion-mnist-test-2048.npz", allow_pickle=False) as shipped:
        images, labels, places = shipped["images"], shipped["labels"], shipped["places"]
    candidates = [
        Candidate(
            id=f"test-{place:05d}",
            content=partial(bytes, image.tobytes()),
            decode=_decode,
            label=int(label),
        )
        for image, label, place in zip(images, labels, places, strict=True)
    ]
    return select(candidates, source="sample", count=count, seed=seed)


def _decode(content: bytes) -> Image.Image:
    return Image.frombytes("L", (SIZE, SIZE), content)
