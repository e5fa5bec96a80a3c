"""Factors that may explain similarities of models: architecture, training set, size, seed."""

import json
from collections.abc import Callable, Mapping
from typing import Any

Facts = Mapping[str, Any]

# Size classes by parameters: each up to 4 times as large as the one before.
_CLASSES = ((1, "below 1 M"), (4, "1 to 4 M"), (16, "4 to 16 M"), (64, "16 to 64 M"))
_LARGE = ((256, "64 to 256 M"), (1024, "256 M to 1 G"))
TRAINING = "training"


def size_class(parameters: int) -> str:
    """Return the size class of a network by its number of parameters."""
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
    """Find the level of a factor of every model of which it is known.

    Only of trained models, where there are any, except for the factor ``training``: untrained ones
    would be all that differs. A network that stands in the study twice counts once: shuffling
    copies would find differences that are not there.

    Args:
        facts: Facts of every model, by name.
        factor: One of ``FACTORS``.

    Returns:
        The level by model.
    """
    trained = {name: own for name, own in facts.items() if own["trained"]}
    models = facts if factor == TRAINING or not trained else trained
    found: dict[str, str] = {}
    networks: set[str] = set()
    for name, own in models.items():
        level = FACTORS[factor](own)
        if level is not None and _network(own) not in networks:
            networks.add(_network(own))
            found[name] = level
    return found


def copies(facts: Mapping[str, Facts]) -> dict[str, str]:
    """Find models that are the same network as one before them; return that one by model."""
    first: dict[str, str] = {}
    found = {}
    for name, own in facts.items():
        other = first.setdefault(_network(own), name)
        if other != name:
            found[name] = other
    return found


def _network(facts: Facts) -> str:
    """Identify a network: its weights and its architecture."""
    return json.dumps([facts["weights"], facts["built"]], sort_keys=True)
