"""What may explain how alike models are: architecture, training set, size, seed, of every model."""

import json
from collections.abc import Callable, Mapping
from typing import Any

Facts = Mapping[str, Any]

# Classes of size by parameters: each up to 4 times as large as the one before.
_CLASSES = ((1, "below 1 M"), (4, "1 to 4 M"), (16, "4 to 16 M"), (64, "16 to 64 M"))
_LARGE = ((256, "64 to 256 M"), (1024, "256 M to 1 G"))
TRAINING = "training"


def size_class(parameters: int) -> str:
    """The class of a network of so many parameters."""
    for millions, name in (*_CLASSES, *_LARGE):
        if parameters < millions * 1e6:
            return name
    return "1 G and more"


def _origin(key: str) -> Callable[[Facts], str | None]:
    def level(facts: Facts) -> str | None:
        value = facts.get("origin", {}).get(key)
        return None if value is None else str(value)

    return level


FACTORS: dict[str, Callable[[Facts], str | None]] = {
    "architecture": lambda facts: str(facts["family"]),
    "training data": _origin("data"),
    "share of the data": _origin("fraction"),
    "size": lambda facts: size_class(int(facts["parameters"])),
    "seed": _origin("seed"),
    TRAINING: lambda facts: "trained" if facts["trained"] else "untrained",
}


def levels_of(facts: Mapping[str, Facts], factor: str) -> dict[str, str]:
    """The level of ``factor`` of every model of which it is known.

    Of trained models, where there are any: untrained ones would be all that differs. Whether
    training itself explains anything is asked of all. The same network counts once: shuffling
    copies would find what is not there.
    """
    trained = {name: own for name, own in facts.items() if own["trained"]}
    asked = facts if factor == TRAINING or not trained else trained
    found: dict[str, str] = {}
    seen: set[str] = set()
    for name, own in asked.items():
        level = FACTORS[factor](own)
        if level is not None and _network(own) not in seen:
            seen.add(_network(own))
            found[name] = level
    return found


def copies(facts: Mapping[str, Facts]) -> dict[str, str]:
    """Models that are the same network as another before them, and which that is."""
    first: dict[str, str] = {}
    found = {}
    for name, own in facts.items():
        other = first.setdefault(_network(own), name)
        if other != name:
            found[name] = other
    return found


def _network(facts: Facts) -> str:
    """What two models share that are one network: the weights, and what they are the weights of."""
    return json.dumps([facts["weights"], facts["built"]], sort_keys=True)
