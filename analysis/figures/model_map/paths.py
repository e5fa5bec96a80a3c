"""Paths of the models over a map of layers, from input to output, with their colours."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from seelike.analysis.figures.drawing.style import OKABE_ITO

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Way:
    """Layers of one model on a map, (L,) each, in their order.

    ``group`` is what the model shares its ``colour`` with: its own name, or its family's.
    """

    model: str
    family: str
    trained: bool
    group: str
    colour: str
    x: Array
    y: Array
    tap: tuple[str, ...]
    depth: Array


def model_paths(mapped: xr.Dataset) -> list[Way]:
    """The models of a map, in the study's order, each in a colour of its own, or of its family.

    Each has its own while there are colours enough; an untrained baseline has its model's.
    """
    names = [str(name) for name in mapped["model"].values]
    families = dict(zip(names, (str(one) for one in mapped["family"].values), strict=True))
    owners = {
        name: str(owner) if str(owner) in families else name
        for name, owner in zip(names, mapped["baseline_of"].values, strict=True)
    }
    firsts = list(dict.fromkeys(owners.values()))
    own = len(firsts) <= len(OKABE_ITO)
    group = {name: owners[name] if own else families[name] for name in names}
    colour = _colours(list(dict.fromkeys(group.values())))
    found = []
    for place, name in enumerate(names):
        rows = np.flatnonzero(mapped["tap_model"].values == name)
        x, y = mapped["place"].values[rows].T
        found.append(
            Way(
                name,
                families[name],
                bool(mapped["trained"].values[place]),
                group[name],
                colour[group[name]],
                x,
                y,
                tuple(str(tap) for tap in mapped["tap"].values[rows]),
                mapped["depth"].values[rows],
            )
        )
    return found


def family_colours(mapped: xr.Dataset) -> dict[str, str]:
    """Assign a colour per family, in the order of the study's models."""
    return _colours(list(dict.fromkeys(str(one) for one in mapped["family"].values)))


def axis_names(mapped: xr.Dataset) -> tuple[str, str]:
    """Labels of a map's axes, with the share of squared distances that each shows."""
    if mapped.attrs["method"] == "umap":
        return "UMAP, first coordinate", "UMAP, second coordinate"
    first, second = mapped.attrs["shares"][:2]
    return (
        f"first axis, {first:.0%} of squared distances",
        f"second axis, {second:.0%}",
    )


def _colours(names: list[str]) -> dict[str, str]:
    return {name: OKABE_ITO[place % len(OKABE_ITO)] for place, name in enumerate(names)}
