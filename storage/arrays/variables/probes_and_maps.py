"""Variables of probes, and of maps of models and layers."""

from seelike.storage.arrays.variables.variable import LEFT_OUT, Variable, each, jackknifed

PROBES = (
    Variable("tap", ("probe",), "string", "Name of the layer."),
    Variable("feature", ("probe",), "string", "What is probed: cls, mean, token, ..."),
    Variable("depth", ("probe",), "float64", "Depth: 0 at the input, 1 at the output."),
    Variable("row", ("probe",), "int64", "Row of the token; -1 for other features."),
    Variable("column", ("probe",), "int64", "Column of the token; -1 for other features."),
    Variable("shots", ("probe",), "int64", "Training images per class; 0 for all."),
    Variable("image", ("image",), "string", "Id of the image."),
    Variable("part", ("image",), "string", "Part that the image is in: train, held out, test."),
    Variable("penalty", ("probe",), "float64", "Penalty of the ridge regression."),
    *jackknifed("accuracy", "probe", "Accuracy on test images."),
    *LEFT_OUT,
)

_SQUARE = ("aggregate", "model", "other")
_FACTOR = ("factor", "aggregate")
MAPS = (
    Variable("aggregate", ("aggregate",), "string", "How layers give models: best match, aligned."),
    Variable("model", ("model",), "string", "Model."),
    Variable("other", ("other",), "string", "Model it is compared with."),
    Variable("family", ("model",), "string", "Family of the model."),
    Variable("trained", ("model",), "bool", "Whether the model is trained."),
    Variable("baseline_of", ("model",), "string", "Model whose untrained baseline this is."),
    Variable("tap", ("tap",), "string", "Name of the layer."),
    Variable("tap_model", ("tap",), "string", "Model of the layer."),
    Variable("depth", ("tap",), "float64", "Depth: 0 at the input, 1 at the output."),
    Variable("place", ("tap", "axis"), "float64", "Coordinates of the layer on the map."),
    *each(
        _SQUARE,
        "float64",
        {
            "similarity": "Similarity of the two models.",
            "p": "p value: images of one model shuffled.",
            "corrected": "The same, corrected for all pairs of models.",
            "critical": "95 % quantile of the similarity with shuffled images.",
        },
    ),
    Variable("merges", ("aggregate", "merge", "part"), "float64", "Linkage of the dendrogram."),
    Variable("order", ("aggregate", "leaf"), "int64", "Models in the dendrogram's order."),
    Variable("factor", ("factor",), "string", "Factor: architecture, training set, ..."),
    *each(
        _FACTOR,
        "float64",
        {
            "factor_share": "R² of the factor (PERMANOVA).",
            "factor_p": "p value of the factor.",
            "factor_f": "Pseudo-F of the factor.",
        },
    ),
    *each(
        _FACTOR,
        "int64",
        {
            "factor_models": "Models whose level is known.",
            "factor_levels": "Levels of the factor.",
            "factor_permutations": "Permutations of the models.",
        },
    ),
    Variable("factor_exact", _FACTOR, "bool", "Whether all permutations were tried."),
)
