"""The shipped networks: small, complete, and listed in docs/zoo.md.

`python tests/storage/test_shipped_zoo.py` writes the table of docs/zoo.md from the cards.
"""

import re
from pathlib import Path

import pytest
import yaml

from seelike.analysis.similarity.intervals.proportions import share
from seelike.storage.networks.zoo import SHIPPED, card, members, weights

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "zoo.md"
TABLE = re.compile(r"(?<=<!-- zoo -->\n).*?(?=<!-- /zoo -->)", re.DOTALL)
MODELS = yaml.safe_load((ROOT / "studies" / "zoo.yaml").read_text())["models"]


def table() -> str:
    """Every shipped network in the order of its study."""
    lines = [
        "| network | trained on | seed | accuracy, 95 % interval | parameters | size |",
        "|---|---|---|---|---|---|",
    ]
    for name in (model["name"] for model in MODELS if model["name"] in members()):
        told = card(name)
        right = share(told["test"]["correct"], told["test"]["total"])
        assert right.low is not None and right.high is not None
        start = f", from `{told['start']['name']}`" if "start" in told else ""
        low, high = 100 * right.low, 100 * right.high
        accuracy = f"{100 * right.value:.2f} % [{low:.2f}, {high:.2f}]"
        size = (SHIPPED / f"{name}.safetensors").stat().st_size
        lines.append(
            f"| `{name}` | {told['images']}{start} | {told['seed']} | {accuracy} | "
            f"{told['parameters']} | {size / 1e6:.2f} MB |"
        )
    return "\n".join(lines) + "\n"


def test_the_page_has_the_table_that_the_cards_make() -> None:
    (found,) = TABLE.findall(PAGE.read_text())
    assert found == table(), "run python tests/storage/test_shipped_zoo.py"


def test_each_network_has_at_most_1_5_mb_and_all_have_at_most_25() -> None:
    sizes = {path.name: path.stat().st_size for path in SHIPPED.iterdir()}
    assert max(sizes.values()) <= 1_500_000
    assert sum(sizes.values()) <= 25_000_000


@pytest.mark.parametrize("name", members())
def test_each_network_is_whole_and_trained_as_its_study_says(name: str) -> None:
    (asked,) = (model for model in MODELS if model["name"] == name)
    told = card(name)
    assert (told["family"], told["seed"]) == (asked["zoo"], asked["seed"])
    own = asked.get("training", {})
    assert told.get("fraction", 1.0) == own.get("fraction", 1.0)
    assert told.get("start", {}).get("name") == own.get("start")
    assert sum(value.size for value in weights(name).values()) >= told["parameters"]


if __name__ == "__main__":
    PAGE.write_text(TABLE.sub(lambda _: table(), PAGE.read_text()))
