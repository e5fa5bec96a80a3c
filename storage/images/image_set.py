"""Image sets: fixed, ordered lists of images with a digest of their content."""

import hashlib
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from seelike.storage.digest import content_digest
from seelike.storage.errors import StorageError

MINIMUM = 4

Decode = Callable[[], Image.Image]


@dataclass(frozen=True)
class Candidate:
    """An image of a source before selection.

    Attributes:
        id: Its stable id.
        content: Reads its bytes.
        decode: Decodes them.
        label: Its label, None without one, or a function that gives it after ``content`` was
            called.
    """

    id: str
    content: Callable[[], bytes]
    decode: Callable[[bytes], Image.Image]
    label: int | Callable[[], int | None] | None = None


@dataclass(frozen=True)
class ImageSet:
    """A fixed, ordered list of images; all models of a study see it in this order.

    Attributes:
        source: Source as the study names it.
        ids: Stable id of every image.
        hashes: SHA-256 of every image's content, checked whenever an image is read.
        labels: Label of every image; None if any has none.
        left_out: Ids of images that could not be decoded and were skipped on request.
        candidates: Readers of the images.
    """

    source: str
    ids: tuple[str, ...]
    hashes: tuple[str, ...]
    labels: tuple[int, ...] | None
    left_out: tuple[str, ...]
    candidates: tuple[Candidate, ...] = field(repr=False, compare=False)

    def __len__(self) -> int:
        """Count the images."""
        return len(self.ids)

    @property
    def digest(self) -> str:
        """SHA-256 over ids and contents in order: the identity of the set."""
        pairs = zip(self.ids, self.hashes, strict=True)
        return content_digest(f"{name}\0{content}".encode() for name, content in pairs)

    def read(self, index: int) -> Image.Image:
        """Decode image ``index``; ``StorageError`` if its content changed since selection."""
        candidate = self.candidates[index]
        content = candidate.content()
        if hashlib.sha256(content).hexdigest() != self.hashes[index]:
            raise StorageError(
                f"image {candidate.id} of {self.source} changed since the study began; run it again"
            )
        return candidate.decode(content)

    def describe(self) -> dict[str, Any]:
        """Summarize the set for reports and manifests, JSON-able."""
        return {
            "source": self.source,
            "count": len(self),
            "digest": self.digest,
            "left_out": list(self.left_out),
            "labelled": self.labels is not None,
        }


def select(
    candidates: Sequence[Candidate],
    *,
    source: str,
    count: int | None,
    seed: int,
    skip_bad: bool = False,
) -> ImageSet:
    """Choose images in shuffled order.

    Sources are often sorted by class, and a batch should be a random sample. The selection of n
    images is the beginning of a larger selection with the same seed. Every chosen image is decoded
    once, so that a bad one is found before anything is computed.

    Args:
        candidates: Images of the source, in a stable order.
        source: Source as the study names it, for messages.
        count: Number of images; None for all.
        seed: Seed of the order.
        skip_bad: Leave out images that cannot be decoded.

    Raises:
        StorageError: There are too few images, repeated ids, or an image that cannot be decoded and
            is not skipped.
    """
    _check_enough(len(candidates), count, source)
    if len({c.id for c in candidates}) != len(candidates):
        raise StorageError(f"{source} gives two images the same id; ids have to be unique")
    wanted = len(candidates) if count is None else count
    order = np.random.default_rng(seed).permutation(len(candidates))
    chosen: list[tuple[Candidate, str]] = []
    left_out: list[str] = []
    position = 0
    while len(chosen) < wanted and position < len(order):
        block = [candidates[i] for i in order[position:][: min(wanted - len(chosen), 512)]]
        position += len(block)
        for candidate, verdict in zip(block, _examine(block), strict=True):
            if verdict.error is None:
                chosen.append((candidate, verdict.hash))
            elif skip_bad:
                left_out.append(candidate.id)
            else:
                raise StorageError(
                    f"image {candidate.id} of {source} cannot be read ({verdict.error}); "
                    "repair it, remove it, or leave such images out with --skip-bad-images"
                )
    _check_enough(len(chosen), count, source, len(left_out))
    return _image_set(chosen, source=source, left_out=left_out)


def _image_set(
    chosen: Sequence[tuple[Candidate, str]], *, source: str, left_out: Sequence[str]
) -> ImageSet:
    labels = [c.label() if callable(c.label) else c.label for c, _ in chosen]
    known = tuple(label for label in labels if label is not None)
    return ImageSet(
        source=source,
        ids=tuple(c.id for c, _ in chosen),
        hashes=tuple(h for _, h in chosen),
        labels=known if len(known) == len(chosen) else None,
        left_out=tuple(left_out),
        candidates=tuple(c for c, _ in chosen),
    )


def _check_enough(have: int, count: int | None, source: str, bad: int = 0) -> None:
    unreadable = f" ({bad} could not be read)" if bad else ""
    if have < MINIMUM or (count is not None and count < MINIMUM):
        asked = "" if count is None else f"{count} were asked for, "
        raise StorageError(
            f"{source}: {asked}{have} images exist{unreadable}; the unbiased estimator "
            f"needs at least {MINIMUM}"
        )
    if count is not None and have < count:
        raise StorageError(
            f"{source}: {count} images were asked for, {have} exist{unreadable}; "
            f"set images.count to {have} or less"
        )


@dataclass(frozen=True)
class _Verdict:
    hash: str
    error: str | None


def _examine(block: Sequence[Candidate]) -> list[_Verdict]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(_verdict, block))


def _verdict(candidate: Candidate) -> _Verdict:
    """Decode one image; Pillow raises many kinds of error for a broken file."""
    try:
        content = candidate.content()
        candidate.decode(content).load()
    except UnidentifiedImageError:
        return _Verdict("", "not an image that Pillow knows")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return _Verdict("", str(error))
    return _Verdict(hashlib.sha256(content).hexdigest(), None)


def decode_file(content: bytes) -> Image.Image:
    """Decode all bytes of an image file with Pillow."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image
