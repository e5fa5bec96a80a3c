"""Types of the command line's arguments and options, shared by its verbs."""

from pathlib import Path
from typing import Annotated

import typer

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.yaml", show_default=False)]
Archive = Annotated[Path, typer.Argument(metavar="FILE.zip", show_default=False)]
StoreUrl = Annotated[
    str, typer.Argument(metavar="STORE", show_default=False, help="a folder, or a bucket's URL")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        show_default=False,
        help="change one key of the study, such as images.count=512; may be repeated",
    ),
]
SkipBadImages = Annotated[
    bool,
    typer.Option(
        "--skip-bad-images",
        help="leave out images that cannot be read, for every model, and list them",
    ),
]
SkipDegenerate = Annotated[
    bool,
    typer.Option(
        "--skip-degenerate",
        help="leave out layers that are constant over the images, and list them",
    ),
]
Sweep = Annotated[
    bool,
    typer.Option(
        "--sweep",
        help="show how CKA depends on the number of images and on the batch, beside exact CKA",
    ),
]
