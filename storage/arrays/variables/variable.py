"""A stored variable, and groups of variables that several datasets have."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """A variable or coordinate of a dataset.

    Attributes:
        name: Its name; ``{measure}`` stands for that of a measure, ``{layer}`` for a layer's.
        dims: Its dimensions.
        dtype: ``float32``, ``float64``, ``int64``, ``uint32``, ``bool`` or ``string``.
        meaning: Its meaning, in one sentence.
        unit: Its unit; empty for labels, counts and numbers without one.
    """

    name: str
    dims: tuple[str, ...]
    dtype: str
    meaning: str
    unit: str = ""


def each(
    dims: tuple[str, ...], dtype: str, meanings: dict[str, str], *, unit: str = ""
) -> Iterator[Variable]:
    """Variables of the same dimensions, dtype and unit, by name."""
    for name, meaning in meanings.items():
        yield Variable(name, dims, dtype, meaning, unit)


def jackknifed(name: str, dim: str, meaning: str, *, unit: str = "") -> Iterator[Variable]:
    """Variables of a number, its 95 % interval, and its values without each group of images."""
    yield Variable(name, (dim,), "float64", meaning, unit)
    yield Variable(f"{name}_low", (dim,), "float64", f"Lower 95 % bound of `{name}`.", unit)
    yield Variable(f"{name}_high", (dim,), "float64", f"Upper 95 % bound of `{name}`.", unit)
    yield Variable(
        f"{name}_without", ("left_out", dim), "float64", f"`{name}` without each group.", unit
    )


LEFT_OUT = (
    *each(
        ("left_out",),
        "float64",
        {
            "left_out_weight": "Weight of the group that is left out, in its factor.",
            "left_out_images": "Images of the group.",
        },
    ),
    Variable("left_out_factor", ("left_out",), "int64", "Factor of the group: images or draws."),
)
