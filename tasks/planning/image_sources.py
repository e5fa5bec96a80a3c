"""Opening the image set a study names, from whichever source."""

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
    """The image set of ``sample``, ``digits``, ``folder:PATH`` or ``timm:DATASET``.

    Raises ``StorageError`` or ``AnalysisError`` for a source that is not there, has too few
    images, or holds one that cannot be read and is not skipped.
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
    """One image of a timm data set as the bytes of a lossless file: its content to digest.

    Its label, which comes with it, is entered into ``labels``.
    """
    image, labels[index] = read(index)
    content = io.BytesIO()
    image.save(content, "TIFF" if image.mode not in ("L", "RGB", "RGBA", "P", "1") else "PNG")
    return content.getvalue()
