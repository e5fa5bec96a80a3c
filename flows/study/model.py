"""A model of a study: which network, with which weights, and how it came by them."""

from typing import Any, Literal

from pydantic import Field, model_validator

from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.networks.training import Recipe
from seelike.flows.study.settings import Part
from seelike.storage.digest import label
from seelike.tasks.planning.plans import TrainingOrigin


class About(Part):
    """How a model of yours came by its weights; networks of the zoo have it on their cards."""

    data: str | None = Field(None, description="what it was trained on, such as ImageNet-21k")
    fraction: float | None = Field(
        None, gt=0, le=1, description="the part of its training images that it was trained on"
    )
    start: str | None = Field(
        None, description="the model of the study that it was fine-tuned from, by its name"
    )
    seed: int | None = Field(None, ge=0, description="the seed of its training")


class Own(Part):
    """How `seelike train` trains one network where that differs from the others."""

    data: Literal["fashion-mnist", "digits"] = Field(
        "fashion-mnist", description="what it is trained on; `digits` are shipped"
    )
    fraction: float = Field(
        1.0, gt=0, le=1, description="of the training images, in as many steps as all would take"
    )
    start: str | None = Field(
        None,
        description="the network of the zoo, or trained before it, whose weights it begins with",
    )
    recipe: Recipe | None = Field(None, description="steps and rates of its own")


class Model(Part):
    """One network: a timm architecture with its weights, one of the zoo, or an imported one."""

    name: str = Field(description="its label in figures and tables")
    timm: str | None = Field(None, description="a timm model name, such as vit_small_patch16_224")
    zoo: str | None = Field(None, description="a network of the reference zoo, such as vit")
    imported: str | None = Field(
        None,
        description="a network of which another group's signatures were imported, as they "
        "call it, or the beginning of a digest; to be compared, not run",
    )
    pretrained: bool = Field(False, description="timm's own weights, downloaded once")
    checkpoint: str | None = Field(None, description="weights: .safetensors or a state dict")
    seed: int | None = Field(None, ge=0, description="initial weights, where none are loaded")
    arguments: dict[str, Any] = Field(
        {},
        description="passed to timm.create_model; skip_free: N builds a ViT without the skip "
        "connections of block N",
    )
    taps: str | list[str] | None = Field(None, description="taps of its own")
    about: About = Field(About(), description="what it was trained on, and from where")
    training: Own = Field(Own(), description="for the flow `train` alone")

    @model_validator(mode="after")
    def _one_source(self) -> "Model":
        label(self.name)
        if sum(one is not None for one in (self.timm, self.zoo, self.imported)) != 1:
            raise ValueError(f"model {self.name!r} needs exactly one of timm, zoo and imported")
        if self.imported and self.model_fields_set - {"name", "imported"}:
            raise ValueError(
                f"model {self.name!r} was imported as it is; remove all keys but name and imported"
            )
        if self.pretrained and self.checkpoint:
            raise ValueError(f"model {self.name!r} has pretrained and checkpoint; keep one")
        if self.zoo and (self.pretrained or self.checkpoint or self.arguments):
            raise ValueError(
                f"model {self.name!r}: zoo networks come with weights and arguments of their own; "
                "remove pretrained, checkpoint and arguments"
            )
        if self.zoo and self.about != About():
            raise ValueError(
                f"model {self.name!r}: a zoo network has a card that says the same; remove about"
            )
        return self

    def spec(self) -> ModelSpec:
        """The same, as the network room takes it."""
        return ModelSpec(**self.model_dump(exclude={"taps", "about", "training"}))

    @property
    def origin(self) -> TrainingOrigin:
        """What it was trained on, as steps take it."""
        return TrainingOrigin(**self.about.model_dump())
