"""The parts of a study that are not its models: images, computing, training, reproduction."""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from seelike.analysis.networks.training import Recipe
from seelike.storage.images.image_set import MINIMUM


class Part(BaseModel):
    """A part of a study: unknown keys are errors, nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# A place on a grid: [row, column], each from 0 at the top left.
Place = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Images(Part):
    """Which images all models see, and in which order."""

    source: str = Field(
        "sample",
        description="`sample` and `digits` (shipped), `folder:PATH`, or `timm:DATASET` as "
        "timm.data.create_dataset reads it, such as `timm:torch/cifar10`",
    )
    count: int | None = Field(
        None, ge=MINIMUM, description="how many images; all of them if left out"
    )
    seed: int = Field(0, ge=0, description="which images, and their order")
    split: str = Field("validation", description="the split, for `timm:` sources")
    root: str = Field("downloads", description="where `timm:` sources keep their files")


# `local`, or a scheduler's address as Dask writes it.
CLUSTER = r"^(local|(tcp|tls|ws|wss|ucx)://.+)$"


class Compute(Part):
    """Where and in which pieces it is computed; none of it changes a result."""

    device: str = Field("auto", description="`auto`, `cpu`, `cuda`, `cuda:1`")
    forward_batch: int | None = Field(
        None,
        ge=1,
        description="images a forward pass; if left out 64, or the batch where only signatures "
        "are kept, so that the activations of one tap at a time are in memory",
    )
    shard: int = Field(4096, ge=4, description="images a recording task")
    memory: float = Field(4.0, gt=0, description="GB that an exact measure may use")
    dask: str | None = Field(
        None,
        json_schema_extra={"pattern": CLUSTER},
        description="where recording and signing run: `local`, worker processes of this machine, "
        "or a Dask scheduler's address, tcp://HOST:PORT; threads if left out",
    )

    @field_validator("dask")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not re.match(CLUSTER, value):
            raise ValueError("expected `local`, or a scheduler's address such as tcp://HOST:8786")
        return value


class Training(Part):
    """How `seelike train` trains: the recipe all networks share, and where they go."""

    recipe: Recipe = Field(Recipe(), description="steps and rates, the same for all")
    output: str = Field("checkpoints", description="folder of the checkpoints and their cards")
    downloads: str = Field("downloads", description="where Fashion-MNIST is put if downloaded")


class Map(Part):
    """How the flow `map` goes from layers to models and to a map."""

    method: Literal["mds", "umap"] = Field(
        "mds",
        description="the map: `mds`, classical scaling of angles, or `umap`, which needs the "
        "extra of that name",
    )
    window: float = Field(
        0.25, ge=0, le=1, description="how far in depth best matches of layers may be"
    )


class Reproduction(Part):
    """What the flow `reproduce` does beside the others."""

    probes: Images | None = Field(
        None, description="images that layers are probed on; those of the study if left out"
    )
    transfer: Images | None = Field(
        None, description="a second image set with labels, to which the layers are transferred"
    )
