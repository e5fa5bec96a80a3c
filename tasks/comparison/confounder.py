"""Signatures of the images' pixels, the confounder that deconfounded CKA removes."""

import numpy as np
from dask.delayed import delayed
from PIL import Image

from seelike.analysis.similarity import signature, unit
from seelike.storage.arrays import signatures
from seelike.storage.arrays.signatures import Signatures
from seelike.storage.images import ImageSet
from seelike.storage.store import Store
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.runtime.threads import compute_on_threads

# One size for all models, so that one confounder is taken out of all of them.
SIDE = 32
TAP = "pixels"


def pixel_signatures(plan: ModelPlan, images: ImageSet, *, store: Store) -> Signatures:
    """Compute signatures of the images themselves, unless the store has them.

    Args:
        plan: A model; its batches are used.
        images: The image set.
        store: The store.

    Returns:
        Signatures of one tap: RGB at 32 x 32 pixels.
    """
    kept = signatures.create(
        store,
        {"images": images.digest, "pixels": f"RGB {SIDE} bilinear", "batch": plan.batch},
        taps=[TAP],
        bounds=plan.bounds,
        attributes={"model": "the images", "measure": "cka"},
    )
    write = delayed(_write_batch, pure=False)
    with store.lock(kept.name):
        compute_on_threads(write(kept, images, batch) for batch in kept.missing())
    return kept


def _write_batch(kept: Signatures, images: ImageSet, batch: int) -> None:
    pixels = np.stack([_pixels(images.read(i)) for i in range(*kept.bounds[batch])])
    kept.write(batch, {TAP: unit(signature(pixels))})


def _pixels(image: Image.Image) -> np.ndarray:
    small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32)
