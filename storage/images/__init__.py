"""Image sets: fixed, ordered lists of images with stable ids and a digest of their content."""

from seelike.storage.images.digits import from_digits
from seelike.storage.images.folder import from_folder
from seelike.storage.images.image_set import ImageSet, select
from seelike.storage.images.sample import from_sample

__all__ = ["ImageSet", "from_digits", "from_folder", "from_sample", "select"]
