"""The image set that a study names, from its source."""

import io
from functools import partial

from seelike.analysis.networks.datasets import Read, timm_dataset
from seelike.storage.errors import StorageError
from seelike.storage.images import ImageSet, from_digits, from_folder, from_sample, select
from seelike.storage.images.image_set import Candidate, decode_file


def open_images(
    source: str,
    *,
    count: int | None = None,
    seed: int = 0,
    split: str = "validation",
    root: str = "downloads",
    skip_bad: bool = False,
) -> ImageSet:
    """Open an image set.

    Args:
        source: ``sample``, ``digits``, ``folder:PATH`` or ``timm:DATASET``.
        count: How many images; all if None.
        seed: The seed of their choice.
        split: The split of a timm data set.
        root: The folder that timm downloads to.
        skip_bad: Leave out images that cannot be read, instead of raising.

    Returns:
        The image set.

    Raises:
        StorageError: For an unknown source, too few images, and an image that cannot be read.
        AnalysisError: For a data set that timm cannot open.
    """
    kind, _, rest = source.partition(":")
    if source == "sample":
        return from_sample(count=count, seed=seed)
    if source == "digits":
        return from_digits(count=count, seed=seed)
    if kind == "folder" and rest:
        return from_folder(rest, count=count, seed=seed, skip_bad=skip_bad)
    if kind == "timm" and rest:
        total, read = timm_dataset(rest, root=root, split=split)
        labels: dict[int, int | None] = {}
        candidates = [
            Candidate(
                f"{split}-{i}",
                partial(_encoded, read, i, labels),
                decode_file,
                label=partial(labels.get, i),
            )
            for i in range(total)
        ]
        return select(candidates, source=source, count=count, seed=seed, skip_bad=skip_bad)
    raise StorageError(
        f"images.source is {source!r}, expected 'sample', 'digits', 'folder:PATH' or 'timm:DATASET'"
    )


def _encoded(read: Read, index: int, labels: dict[int, int | None]) -> bytes:
    """Encode one image of a timm data set losslessly, for its digest; note its label."""
    image, labels[index] = read(index)
    content = io.BytesIO()
    image.save(content, "TIFF" if image.mode not in ("L", "RGB", "RGBA", "P", "1") else "PNG")
    return content.getvalue()
