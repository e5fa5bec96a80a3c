"""Unknown names are answered with similar ones, and never with nonsense."""

import pytest

from seelike.analysis import errors as analysis
from seelike.storage import errors as storage

NAMES = ["vit", "vit-gap", "ResNet", "mixer"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vti", "nearest: 'vit'"),
        ("resnte", "nearest: 'ResNet'"),
        ("VIT-GAP", "nearest: 'vit-gap', 'vit'"),
        ("ga", "nearest: 'vit-gap'"),
        ("qqqq", "nearest: none; there are 'vit', 'vit-gap', 'ResNet', 'mixer'"),
        ("", "nearest: none; there are 'vit', 'vit-gap', 'ResNet', 'mixer'"),
    ],
)
def test_similar_names_are_suggested_or_none(name: str, expected: str) -> None:
    assert analysis.suggest(name, NAMES) == storage.suggest(name, NAMES) == expected


def test_long_and_empty_lists_stay_one_short_line() -> None:
    many = [f"layer{i}" for i in range(1, 200)]
    for suggest in (analysis.suggest, storage.suggest):
        assert suggest("zzz", many).endswith("'layer7', 'layer8' and 191 more")
        assert suggest("layer", many).count("'layer") == 3
        assert suggest("a", []) == "nearest: none"
    assert analysis.suggest("blok.1", ["block.1"], suffix=":input") == "nearest: 'block.1:input'"
