"""Random channels of a layer over which an effective receptive field is averaged."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.layers.tap import Tap


@dataclass(frozen=True)
class ChannelSample:
    """A seeded random sample of channels, one per image; all channels where they are few.

    A layer with at most ``channels`` channels is taken whole. For others images are taken in
    groups of ``group`` consecutive ones by their number, from 0. Per group one random order of
    all C channels is drawn from (``seed``, C, the group's number) alone; each image of the group
    takes the next k = ceil(``channels`` / ``group``) channels of that order, going round at its
    end. So:

    - the k channels of an image are distinct, and every set of k is equally likely, which makes
      the mean of any number over them an unbiased estimate of its mean over all C;
    - the images of a group have no channel in common while k x ``group`` <= C: by default 8
      channels per image, 32 per group of four;
    - groups are drawn independently, so that the spread over groups holds the sample's, too;
    - it does not matter how images are cut into batches, and layers with the same number of
      channels get the same sample.

    Attributes:
        channels: Largest number of channels that is taken whole, at least 1.
        group: Number of consecutive images that share out the channels, at least 1.
        seed: Seed of the random orders, at least 0.
    """

    channels: int = 32
    group: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.channels < 1 or self.group < 1 or self.seed < 0:
            raise AnalysisError(
                f"{self} is no sample of channels; channels and group are expected to be at least "
                "1, seed at least 0"
            )

    def per_image(self, count: int) -> int:
        """Number of channels per image of a layer with ``count`` channels."""
        return count if count <= self.channels else -(-self.channels // self.group)

    def chosen(self, images: range, count: int) -> npt.NDArray[np.intp]:
        """Choose channels of a layer with ``count`` channels for each image.

        Args:
            images: Numbers of the images, 0 for the first of all.
            count: Number of channels.

        Returns:
            Channel numbers (image, ``per_image(count)``), from 0.
        """
        k = self.per_image(count)
        if k == count:
            return np.tile(np.arange(count), (len(images), 1))
        rows = np.empty((len(images), k), np.intp)
        for row, image in enumerate(images):
            number, place = divmod(image, self.group)
            order = np.random.default_rng([self.seed, count, number]).permutation(count)
            rows[row] = order[(place * k + np.arange(k)) % count]
        return rows


def channel_count(tap: Tap) -> int:
    """Number of channels that a tap has at each location."""
    return tap.shape[0 if tap.layout.kind in ("map", "tokens_last") else -1]
