"""A model of a study: the network, its weights, and how it was trained."""

from typing import Any, Literal

from pydantic import Field, model_validator

from seelike.analysis.networks.loading.models import ModelSpec
from seelike.analysis.networks.training import Recipe
from seelike.flows.study.settings import Part
from seelike.storage.digest import label
from seelike.tasks.planning.plans import StudyModel, TrainingOrigin


class About(Part):
    """Training of your own model; the cards of zoo networks state theirs."""

    data: str | None = Field(None, description="name of the training data, such as ImageNet-21k")
    fraction: float | None = Field(
        None, gt=0, le=1, description="fraction of the training images that were used"
    )
    start: str | None = Field(
        None, description="name of the model in this study that it was fine-tuned from"
    )
    seed: int | None = Field(None, ge=0, description="seed of its training")


class ModelTraining(Part):
    """Training of one network by `seelike train`, where it differs from the others."""

    data: Literal["fashion-mnist", "digits"] = Field(
        "fashion-mnist", description="training data; `digits` are shipped"
    )
    fraction: float = Field(
        1.0,
        gt=0,
        le=1,
        description="fraction of the training images, in as many steps as all would take",
    )
    start: str | None = Field(
        None,
        description="network whose weights it starts from: of the zoo, or trained before it",
    )
    recipe: Recipe | None = Field(None, description="epochs, batch and rates of this network")


class Model(Part):
    """One network: a timm architecture, one of the reference zoo, or an imported one."""

    name: str = Field(description="label in figures and tables")
    timm: str | None = Field(None, description="a timm model name, such as vit_small_patch16_224")
    zoo: str | None = Field(None, description="a network of the reference zoo, such as vit")
    imported: str | None = Field(
        None,
        description="imported model, by its name at the other group or the first characters of "
        "its digest; it is compared, not run",
    )
    pretrained: bool = Field(
        False, description="whether to load timm's pretrained weights, downloaded once"
    )
    checkpoint: str | None = Field(
        None, description="file of weights: .safetensors or a PyTorch state dict"
    )
    seed: int | None = Field(
        None, ge=0, description="seed of the initial weights, where none are loaded"
    )
    arguments: dict[str, Any] = Field(
        {},
        description="passed to timm.create_model; skip_free: N builds a ViT without the skip "
        "connections of block N",
    )
    taps: str | list[str] | None = Field(
        None, description="layers of this model, in place of those of the study"
    )
    about: About = Field(About(), description="how it was trained")
    training: ModelTraining = Field(ModelTraining(), description="used by `seelike train` only")

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

    def network(self, taps: str | list[str]) -> StudyModel:
        """The network to survey, with its own layers, or else ``taps`` of the study."""
        patterns = self.taps if self.taps is not None else taps
        return StudyModel(
            spec=self.spec(),
            patterns=(patterns,) if isinstance(patterns, str) else tuple(patterns),
            trained=bool(self.pretrained or self.checkpoint or self.zoo),
            origin=self.origin,
        )

    def spec(self) -> ModelSpec:
        """The network and its weights, as ``seelike.analysis.networks.load`` takes them."""
        return ModelSpec(**self.model_dump(exclude={"taps", "about", "training"}))

    @property
    def origin(self) -> TrainingOrigin:
        """Training data and start of the model, as tasks take them."""
        return TrainingOrigin(**self.about.model_dump())
