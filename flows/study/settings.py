"""Settings of a study by part: images, compute, training, map, reproduction."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from seelike.analysis.networks.training import Recipe
from seelike.storage.images.image_set import MINIMUM


class Part(BaseModel):
    """Base of all parts of a study: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def changed(self, **keys: Any) -> Self:
        """This part with other values of some keys, validated as a whole.

        Raises ``ValidationError`` for a wrong value, and where keys contradict each other.
        """
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self).model_validate(given | keys)


# A cell of a grid: [row, column], each from 0 at the top left.
GridCell = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]


class Images(Part):
    """The images that all models see, in one order."""

    source: str = Field(
        "sample",
        description="`sample` and `digits` (shipped), `folder:PATH`, or `timm:DATASET` as "
        "timm.data.create_dataset reads it, such as `timm:torch/cifar10`",
    )
    count: int | None = Field(
        None, ge=MINIMUM, description="number of images; all of them if left out"
    )
    seed: int = Field(0, ge=0, description="seed of the selection and order of the images")
    split: str = Field("validation", description="split of a `timm:` source")
    root: str = Field("downloads", description="folder in which `timm:` sources keep their files")


# `local`, or a scheduler's address as Dask writes it.
CLUSTER = r"^(local|(tcp|tls|ws|wss|ucx)://.+)$"


class Compute(Part):
    """Devices, batch sizes and workers; none of it changes a result."""

    device: str = Field("auto", description="`auto`, `cpu`, `cuda`, `cuda:1`")
    forward_batch: int | None = Field(
        None,
        ge=1,
        description="images per forward pass; if left out 64, or `batch` where only signatures are "
        "kept, so that the activations of one layer at a time are in memory",
    )
    shard: int = Field(4096, ge=4, description="images per recording task")
    memory: float = Field(4.0, gt=0, description="GB of memory that an exact measure may use")
    dask: str | None = Field(
        None,
        json_schema_extra={"pattern": CLUSTER},
        description="Dask workers for recording and signatures: `local` (processes on this "
        "machine), or the address of a scheduler, tcp://HOST:PORT; threads if left out",
    )

    @property
    def memory_bytes(self) -> int:
        """Bytes of memory that an exact measure may use."""
        return int(self.memory * 1e9)

    @field_validator("dask")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not re.match(CLUSTER, value):
            raise ValueError("expected `local`, or a scheduler's address such as tcp://HOST:8786")
        return value


class Training(Part):
    """Training by `seelike train`: the recipe of all networks, and the folders."""

    recipe: Recipe = Field(
        Recipe(), description="epochs, batch and rates, the same for all networks"
    )
    output: str = Field("checkpoints", description="folder for checkpoints and their cards")
    downloads: str = Field("downloads", description="folder into which Fashion-MNIST is downloaded")


class Map(Part):
    """Similarity of models and the map of layers, by `seelike map`."""

    method: Literal["mds", "umap"] = Field(
        "mds",
        description="embedding of the layers: `mds` (classical scaling of angles between layers), "
        "or `umap`, which needs the extra `seelike[umap]`",
    )
    window: float = Field(
        0.25,
        ge=0,
        le=1,
        description="largest difference in depth (0 to 1) between two layers that are matched",
    )


class Reproduction(Part):
    """Image sets that only `seelike reproduce` uses."""

    probes: Images | None = Field(
        None, description="images for the probes; those of the study if left out"
    )
    transfer: Images | None = Field(
        None, description="second image set with labels, for transfer probes"
    )
