"""Image sets: fixed, ordered lists of images with stable ids and a digest of their content."""

from storage.images.digits import from_digits
from storage.images.folder import from_folder
from storage.images.image_set import ImageSet, select
from storage.images.sample import from_sample

__all__ = ["ImageSet", "from_digits", "from_folder", "from_sample", "select"]
