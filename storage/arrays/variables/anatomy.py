"""Variables of the analyses of an anatomy."""

from seelike.storage.arrays.variables.variable import LEFT_OUT, Variable, each, jackknifed

ATTENTION = (
    Variable("block", ("head",), "string", "Module of the attention."),
    Variable("block_number", ("head",), "int64", "Number of the attention, from 0."),
    Variable("head_number", ("head",), "int64", "Number of the head in it, from 0."),
    Variable("patch", ("head",), "float64", "Side of a patch.", "pixels"),
    Variable("image", ("image",), "string", "Id of the image."),
    *(
        one
        for name, how in (
            ("plain", "all weights"),
            ("renormalised", "weights on patches alone, scaled to sum to 1"),
        )
        for one in (
            *jackknifed(
                name, "head", f"Mean attention distance of the head, {how}.", unit="pixels"
            ),
            Variable(
                f"{name}_uniform", ("head",), "float64", "The same of uniform weights.", "pixels"
            ),
            Variable(
                f"{name}_images", ("head", "image"), "float64", "The same per image.", "pixels"
            ),
        )
    ),
    *LEFT_OUT,
)

HEADS = (
    Variable("part", ("part",), "string", "Head of the attention, or unit of a ResNet."),
    Variable("batch_images", ("batch",), "int64", "Images of the batch."),
    Variable("direction", ("batch", "part", "pair"), "float32", "Signature, of length 1."),
    Variable("length", ("batch", "part"), "float64", "Length of the signature before."),
    Variable(
        "distance", ("batch", "part"), "float64", "Mean attention distance of a head.", "pixels"
    ),
)

RECEPTIVE_FIELDS = (
    *each(
        ("layer",),
        "string",
        {
            "tap": "Name of the layer.",
            "role": "Side of a residual sum or sublayer that it is.",
            "kind": "Kind of the residual unit.",
            "block": "Block that it belongs to.",
        },
    ),
    Variable("depth", ("layer",), "float64", "Depth: 0 at the input, 1 at the output."),
    Variable("edge", ("edge",), "string", "Which number of a patch: top, left, height, width."),
    Variable("field", ("layer", "y", "x"), "float64", "Effective receptive field, largest 1."),
    Variable("patch", ("layer", "edge"), "float64", "Patch at the layer's centre.", "pixels"),
    Variable("channels", ("layer",), "int64", "Channels of the layer."),
    Variable("channels_per_image", ("layer",), "int64", "Channels that are averaged per image."),
    *jackknifed("centre_share", "layer", "Share of the field in the centre patch."),
    *(
        one
        for share in (50, 95)
        for one in (
            *jackknifed(
                f"radius_{share}", "layer", f"Radius that holds {share} % of it.", unit="pixels"
            ),
            Variable(
                f"radius_{share}_uniform",
                ("layer",),
                "float64",
                "The same of a uniform field.",
                "pixels",
            ),
            Variable(
                f"radius_{share}_at_edge",
                ("layer",),
                "bool",
                "Whether the image's edge limits the radius.",
            ),
        )
    ),
    *LEFT_OUT,
)

RESIDUALS = (
    *each(
        ("sum",),
        "string",
        {
            "residual": "Name of the residual sum.",
            "kind": "Kind of its branch: attention, mlp, ...",
            "token": "Tokens that are averaged: class token, spatial, all.",
        },
    ),
    Variable("depth", ("sum",), "float64", "Depth: 0 at the input, 1 at the output."),
    Variable("image", ("image",), "string", "Id of the image."),
    *(
        one
        for name, meaning in (
            ("ratio", "Norm of the skip divided by that of the branch."),
            ("cosine", "Cosine of skip and branch."),
        )
        for one in (
            *jackknifed(name, "sum", meaning),
            Variable(f"{name}_images", ("sum", "image"), "float64", "The same per image."),
        )
    ),
    *LEFT_OUT,
)

LOCALIZATION = (
    *each(
        ("layer",),
        "string",
        {
            "tap": "Name of the layer.",
            "patches": "What tokens are compared with: pixels or embedding.",
            "kind": "Kind of the layer: tokens or map.",
        },
    ),
    Variable("depth", ("layer",), "float64", "Depth: 0 at the input, 1 at the output."),
    Variable("is_block", ("layer",), "bool", "Whether the layer is a block's output."),
    Variable("rows", ("layer",), "int64", "Rows of the grid of tokens."),
    Variable("columns", ("layer",), "int64", "Columns of the grid of tokens."),
    Variable("varying", ("layer",), "int64", "Patches that vary over the images."),
    Variable("axis", ("axis",), "string", "row, column"),
    Variable("shown", ("chosen", "axis"), "int64", "Tokens that are looked at closely."),
    Variable("cka", ("layer", "token", "patch"), "float32", "CKA of every token and patch."),
    Variable("class_token", ("layer", "patch"), "float32", "CKA of the class token and patch."),
    *(
        one
        for name, meaning in (
            ("share", "Share of tokens most similar to their own patch."),
            ("rank", "Mean rank of the own patch, from 1."),
            ("z", "Own patch's CKA above the others' mean, in their standard deviations."),
            ("soft", "Weight of the own patch in a softmax of CKA / 0.05."),
            ("inside_share", "`share` of tokens that do not touch the edge."),
            ("inside_soft", "`soft` of tokens that do not touch the edge."),
        )
        for one in jackknifed(name, "layer", meaning)
    ),
    *LEFT_OUT,
)

ABLATION = (
    Variable("block", ("network",), "string", "Block without skips; `intact` for none."),
    Variable("without", ("pair",), "string", "Block without skips."),
    Variable("tap", ("pair",), "string", "Name of the layer."),
    Variable("depth", ("pair",), "float64", "Depth of the layer."),
    *jackknifed("agreement", "network", "Share of images with the intact prediction."),
    *jackknifed("accuracy", "network", "Share of right predictions, where labels fit."),
    *jackknifed("cka", "pair", "CKA of the layer with itself in the intact network."),
    *LEFT_OUT,
)
