"""A study: what a person asks for, in one YAML file, the parameter of every flow."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from seelike.analysis.networks.loading.models import twin_name
from seelike.analysis.probing import Probing
from seelike.analysis.similarity.measures import measure
from seelike.analysis.similarity.nearest.sketches import USUAL, Projection
from seelike.analysis.similarity.significance.permutation_tests import FEWEST, LEVEL
from seelike.flows.errors import StudyError
from seelike.flows.study.model import Model
from seelike.flows.study.model_patterns import Expanded
from seelike.flows.study.settings import Compute, Images, Map, Part, Place, Reproduction, Training
from seelike.storage.digest import label
from seelike.storage.errors import suggest
from seelike.tasks.anatomy.registry import ANALYSES
from seelike.tasks.planning.settings import Statistics


class Study(Part):
    """What is asked: images, models, taps, measures."""

    name: str = Field("study", description="its label in runs, reports and artifacts")
    store: str = Field(
        "store",
        description="what keeps recordings and comparisons: a folder, or s3://, gs://, az://",
    )
    images: Images = Field(Images(), description="which images all models see")
    models: Annotated[list[Model], Expanded()] = Field(
        min_length=1, description="the networks to be compared: each, or several by a pattern"
    )
    taps: str | list[str] = Field("blocks", description="`blocks`, `paper`, or glob patterns")
    reduction: Literal["flatten", "cls", "mean", "tokens"] = Field(
        "flatten", description="what of a tap is compared; flatten, all of it, is the paper's"
    )
    keep: Literal["activations", "signatures", "sketches"] = Field(
        "activations",
        description="what stays in the store; signatures are small, CKA needs them; sketches are "
        "smaller, and for `seelike sketch` and `seelike nearest` alone",
    )
    sketch: Projection = Field(USUAL, description="how signatures are sketched")
    batch: int = Field(256, ge=4, description="images a Gram; the statistical batch")
    similarity: list[str] = Field(
        ["cka"],
        description="measures: cka, which is always there, cka_exact, cka_biased, cka_rbf (or "
        "cka_rbf:WIDTH), cka_deconfounded, rsa, mutual_knn, procrustes, svcca, pwcca, predictivity",
    )
    sweep: bool = Field(
        False, description="how CKA depends on the number of images and the batch; adds cka_exact"
    )
    permutations: int = Field(
        200, ge=0, description="permutations of the images for p values; 0 leaves them out"
    )
    fit_permutations: int = Field(
        20,
        ge=0,
        description="the same for measures that fit one layer to another (procrustes, svcca; twice "
        "as many for pwcca, predictivity); one costs twice what such a measure itself does",
    )
    anatomy: list[str] = Field(
        ["attention", "heads", "receptive_fields", "residuals", "localization"],
        min_length=1,
        description="what `seelike anatomy` looks into: attention, heads, receptive_fields, "
        "residuals, localization, ablation, which takes a forward pass a block",
    )
    head_block: int = Field(
        0, ge=0, description="the attention, from 0, whose heads are compared with a ResNet"
    )
    localization_tokens: list[Place] = Field(
        [], description="tokens of the last layer to be drawn; some over its grid if left out"
    )
    receptive_field_images: int = Field(
        32, ge=4, description="images a receptive field is averaged over: the first of the set"
    )
    reproduction: Reproduction = Field(Reproduction(), description="for the flow `reproduce` alone")
    map: Map = Field(Map(), description="for the flow `map` alone")
    probing: Probing = Field(Probing(), description="for the flow `probe` alone")
    baseline: bool = Field(True, description="compare untrained twins of the models as well")
    skip_bad_images: bool = Field(False, description="leave out images that cannot be read")
    skip_degenerate: bool = Field(False, description="leave out taps constant over the images")
    compute: Compute = Field(Compute(), description="where it is computed; changes no result")
    training: Training = Field(Training(), description="for the flow `train` alone")
    report: str | None = Field(
        None,
        description="where the report goes, a folder or a bucket's URL; reports/NAME if left out",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, value: Any) -> Any:
        """A path stands for the file's content, so that flows take either."""
        return read_yaml(Path(value)) if isinstance(value, str | Path) else value

    @field_validator("similarity")
    @classmethod
    def _known_measures(cls, value: list[str]) -> list[str]:
        for name in value:
            measure(name)
        return list(dict.fromkeys(["cka", *value]))

    @field_validator("permutations", "fit_permutations")
    @classmethod
    def _enough(cls, value: int) -> int:
        # Two draws each.
        if 0 < value < FEWEST // 2:
            raise ValueError(
                f"{value} permutations, expected 0 or at least {FEWEST // 2}: with fewer no p "
                f"value can be as low as {LEVEL:g}"
            )
        return value

    @field_validator("anatomy")
    @classmethod
    def _known_analyses(cls, value: list[str]) -> list[str]:
        for name in value:
            if name not in ANALYSES:
                raise ValueError(f"unknown analysis {name!r}; {suggest(name, ANALYSES)}")
        return list(dict.fromkeys(value))

    @model_validator(mode="after")
    def _activations_for_measures(self) -> "Study":
        reading = [name for name in self.measures if measure(name).reads_activations]
        if reading and self.keep != "activations":
            raise ValueError(
                f"{', '.join(reading)} needs activations, which keep: {self.keep} does not keep; "
                "set keep: activations, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _names(self) -> "Study":
        label(self.name)
        names = [model.name for model in self.models]
        if self.baseline:
            names += [twin_name(model.name) for model in self.models]
        doubled = sorted({n for n in names if names.count(n) > 1})
        if doubled:
            raise ValueError(
                f"two models are named {doubled[0]!r}, untrained twins included; names have to "
                "differ"
            )
        return self

    @model_validator(mode="after")
    def _starts(self) -> "Study":
        names = [model.name for model in self.models]
        for model in self.models:
            start = model.about.start
            if start is not None and (start == model.name or start not in names):
                others = [name for name in names if name != model.name]
                raise ValueError(
                    f"model {model.name!r}: about.start is {start!r}, which is no other model of "
                    f"this study; {suggest(start, others)}"
                )
        return self

    @property
    def forward_batch(self) -> int:
        """Images a forward pass: asked for, or what suits the way of keeping."""
        own = 64 if self.keep == "activations" else self.batch
        return self.compute.forward_batch or own

    @property
    def measures(self) -> list[str]:
        """The measures asked for, and the one that a sweep needs."""
        return list(dict.fromkeys([*self.similarity, *(["cka_exact"] if self.sweep else [])]))

    @property
    def statistics(self) -> Statistics:
        """What is computed beside the similarities."""
        return Statistics(
            skip_degenerate=self.skip_degenerate,
            permutations=self.permutations,
            fit_permutations=self.fit_permutations,
            memory=int(self.compute.memory * 1e9),
        )

    @property
    def report_folder(self) -> str:
        """Where the report goes: a path, or a bucket's URL."""
        return self.report or f"reports/{self.name}"


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; ``StudyError`` where there is none."""
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise StudyError(f"study file {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"study file {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise StudyError(f"study file {path} is not valid YAML: {where}") from error
    if not isinstance(content, dict):
        raise StudyError(f"study file {path} holds no keys; see studies/ for examples")
    return content
