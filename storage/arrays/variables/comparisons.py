"""Variables of comparisons, of the measures that they are joined from, and of all pairs."""

from collections.abc import Iterator

from seelike.storage.arrays.variables.variable import Variable, each

# Stands for the name of a measure: cka, rsa, ...
MEASURE = "{measure}"


def axes(dtype: str = "string") -> Iterator[Variable]:
    """Labels of both axes of layers."""
    for side in ("a", "b"):
        dims = (f"tap_{side}",)
        yield from each(
            dims,
            dtype,
            {
                f"tap_{side}": "Name of the layer in its model.",
                f"model_{side}": "Model of the layer, as the study calls it.",
                f"baseline_of_{side}": "Model whose untrained baseline this is; empty for others.",
            },
        )
        yield Variable(f"depth_{side}", dims, "float64", "Depth: 0 at the input, 1 at the output.")
        yield Variable(f"trained_{side}", dims, "bool", "Whether the model is trained.")


def measure(prefix: str, value: str) -> Iterator[Variable]:
    """Variables of one measure; ``prefix`` goes before every name but ``value``."""
    cells = ("tap_a", "tap_b")
    yield from each(
        cells,
        "float64",
        {
            value: "Similarity of every pair of layers.",
            f"{prefix}low": "Lower 95 % bound of the similarity.",
            f"{prefix}high": "Upper 95 % bound of the similarity.",
            f"{prefix}p": "p value of the pair: images of one side shuffled.",
            f"{prefix}q": "False-discovery rate within a model, or across a pair of models.",
            f"{prefix}critical": "95 % quantile of the similarity with shuffled images.",
            f"{prefix}calibrated": "Similarity above the critical value, scaled to end at 1.",
        },
    )
    best, blocks = ("tap_a", "other_model"), ("own_model", "other_model")
    yield from each(
        best,
        "float64",
        {
            f"{prefix}best_p": "p value of the layer's best match in another model.",
            f"{prefix}best_q": "False-discovery rate of the best matches of one model.",
        },
    )
    yield from each(
        blocks,
        "float64",
        {
            f"{prefix}block_p": "p value of the pair of models: any two layers alike.",
            f"{prefix}block_p_corrected": "The same, corrected for all pairs of models.",
        },
    )
    yield Variable(
        f"{prefix}parts",
        ("batch", *cells),
        "float32",
        "Contribution of every batch; not of exact measures.",
    )


def sweep(prefix: str) -> Iterator[Variable]:
    """Error of minibatch CKA by images and batch size."""
    dims = ("images", "batch_size")
    yield Variable("images", ("images",), "int64", "Images used.")
    yield Variable("batch_size", ("batch_size",), "int64", "Images per batch.")
    yield from each(
        dims,
        "float64",
        {
            f"{prefix}error_mean": "Mean absolute error of minibatch CKA over pairs of layers.",
            f"{prefix}error_max": "Largest absolute error of minibatch CKA.",
        },
    )


MODELS = (
    Variable("own_model", ("own_model",), "string", "Model of the rows of a block."),
    Variable("other_model", ("other_model",), "string", "Model of the columns of a block."),
)


COMPARISONS = (
    *axes(),
    *MODELS,
    Variable("batch_images", ("batch",), "int64", "Images of the batch."),
    *measure(f"{MEASURE}_", MEASURE),
    *sweep("sweep_"),
)

MEASURES = (*measure("", "value"), *sweep(""))

PAIRS = (
    *axes(),
    *each(
        ("tap_a", "tap_b"),
        "float32",
        {
            "cka": "CKA of every pair of layers.",
            "cka_low": "Lower 95 % bound.",
            "cka_high": "Upper 95 % bound.",
        },
    ),
)
