from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from seelike.storage.errors import StorageError
from seelike.storage.images import from_digits, from_folder, from_sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    formats = ["png", "jpg", "bmp", "webp", "tif", "gif"]
    for i in range(12):
        shape = (20, 30) if i % 2 else (20, 30, 3)
        image = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
        path = tmp_path / "photos" / f"class{i % 3}" / "deep" / f"{i:02d}.{formats[i % 6]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    (tmp_path / "photos" / "notes.txt").write_text("not an image")
    return tmp_path / "photos"


def test_a_folder_gives_every_image_once_with_its_label(folder: Path) -> None:
    images = from_folder(folder)
    assert sorted(images.ids) == sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("*.*") if p.suffix != ".txt"
    )
    assert images.labels == tuple(int(i[len("class")]) for i in images.ids)
    assert {images.read(i).size for i in range(len(images))} == {(30, 20)}


def test_order_and_digest_are_fixed_by_seed_and_content(folder: Path) -> None:
    first, again, other = from_folder(folder), from_folder(folder), from_folder(folder, seed=1)
    assert first.ids == again.ids
    assert first.digest == again.digest
    assert sorted(other.ids) == sorted(first.ids)
    assert other.digest != first.digest


def test_moving_the_folder_keeps_the_digest_and_changing_a_pixel_does_not(folder: Path) -> None:
    before = from_folder(folder).digest
    moved = folder.rename(folder.with_name("moved"))
    assert from_folder(moved).digest == before
    path = next(moved.rglob("*.png"))
    pixels = np.array(Image.open(path))
    pixels.flat[0] ^= 1
    Image.fromarray(pixels).save(path)
    assert from_folder(moved).digest != before


def test_smaller_selections_are_the_beginning_of_larger_ones(folder: Path) -> None:
    assert from_folder(folder, count=5).ids == from_folder(folder, count=9).ids[:5]


def test_a_corrupt_image_is_named_or_left_out_and_replaced(folder: Path) -> None:
    bad = from_folder(folder, count=8).ids[3]
    content = (folder / bad).read_bytes()
    (folder / bad).write_bytes(content[: len(content) // 2])
    with pytest.raises(StorageError, match=bad) as error:
        from_folder(folder, count=8)
    assert "--skip-bad-images" in str(error.value)
    kept = from_folder(folder, count=8, skip_bad=True)
    assert len(kept) == 8
    assert kept.left_out == (bad,)
    assert len(from_folder(folder, skip_bad=True)) == 11


def test_an_image_that_changes_after_selection_is_an_error(folder: Path) -> None:
    images = from_folder(folder)
    (folder / images.ids[2]).write_bytes((folder / images.ids[3]).read_bytes())
    with pytest.raises(StorageError, match=r"changed since the study began"):
        images.read(2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: root / "absent", "does not exist"),
        (lambda root: root / "notes.txt", "is not a folder"),
        (lambda root: (root / "empty").mkdir() or root / "empty", "no image in"),
    ],
)
def test_a_folder_without_images_is_named(folder: Path, make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(StorageError, match=message):
        from_folder(make(folder))


def test_too_few_images_are_refused_with_both_numbers(folder: Path) -> None:
    with pytest.raises(StorageError, match=r"20 images were asked for, 12 exist"):
        from_folder(folder, count=20)
    with pytest.raises(StorageError, match="at least 4"):
        from_folder(folder, count=3)


def test_links_that_lead_in_circles_are_followed_once(folder: Path) -> None:
    (folder / "class0" / "loop").symlink_to(folder)
    assert len(from_folder(folder)) == 12


def test_the_sample_is_2048_labelled_images_of_ten_classes() -> None:
    sample = from_sample()
    assert len(sample) == 2048
    assert sample.labels is not None
    assert sorted(set(sample.labels)) == list(range(10))
    assert sample.read(0).size == (28, 28)
    assert sample.read(0).mode == "L"


def test_the_digits_are_those_of_scikit_learn_with_their_labels() -> None:
    images, expected = from_digits(seed=3), load_digits()
    assert len(images) == len(expected.target) == 1797
    assert images.labels is not None
    for at in range(0, 1797, 100):
        place = int(images.ids[at].removeprefix("digit-"))
        assert images.labels[at] == expected.target[place]
        small = np.asarray(images.read(at).resize((8, 8), Image.Resampling.BOX), float)
        assert np.corrcoef(small.ravel(), expected.images[place].ravel())[0, 1] > 0.95
    assert from_digits(count=10).ids == from_digits().ids[:10]
