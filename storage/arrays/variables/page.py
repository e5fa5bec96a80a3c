"""The page docs/datasets.md, made from the inventory: `make docs` writes it."""

from seelike.storage.arrays.variables import VARIABLES


def page() -> str:
    """Write the page docs/datasets.md: a table per kind of dataset, in Markdown."""
    lines = [
        "# Stored datasets",
        "",
        "Every dataset in a store opens with plain `xarray.open_zarr` (recordings, signatures and",
        "sketches with `zarr.open_group`). `{measure}` stands for the name of a measure, such as",
        "`cka`; `{layer}` for that of a layer. Variables that a study did not ask for are absent.",
    ]
    for kind, variables in VARIABLES.items():
        lines += [
            "",
            f"## {kind}",
            "",
            "| name | dims | dtype | unit | meaning |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| `{one.name}` | {', '.join(one.dims)} | {one.dtype} | {one.unit} | {one.meaning} |"
            for one in variables
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
