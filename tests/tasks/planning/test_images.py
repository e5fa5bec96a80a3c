"""Image sets of sources that the network room reads, with the labels that these give."""

from pathlib import Path

import numpy as np
from PIL import Image

from seelike.tasks.planning.image_sources import open_images


def test_a_data_set_of_timm_gives_its_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colours = {}
    for number, name in enumerate(("cat", "dog", "hen")):
        for i in range(3):
            path = tmp_path / "validation" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
            colours[pixels.tobytes()] = number
    images = open_images("timm:folder", count=7, root=str(tmp_path))
    found = [colours[np.asarray(images.read(i)).tobytes()] for i in range(7)]
    assert images.labels == tuple(found)
    assert images.describe()["labelled"]
