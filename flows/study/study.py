"""A study: images, models, layers and analyses in one YAML file, the parameter of every flow."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from seelike.analysis.networks.loading.models import baseline_name, untrained
from seelike.analysis.probing import Probing
from seelike.analysis.similarity.measures import measure
from seelike.analysis.similarity.nearest.sketches import DEFAULT_PROJECTION, Projection
from seelike.flows.study.measures import Analyses, Measures, Permutations
from seelike.flows.study.model import Model
from seelike.flows.study.model_patterns import ExpandPatterns
from seelike.flows.study.settings import (
    Compute,
    GridCell,
    Images,
    Map,
    Part,
    Reproduction,
    Training,
)
from seelike.flows.study.study_file import read_yaml
from seelike.storage.digest import label
from seelike.storage.errors import suggest
from seelike.tasks.planning.plans import StudyModel
from seelike.tasks.planning.settings import MapDesign, Statistics


class Study(Part):
    """Images, models, layers, measures and analyses of one study.

    Examples:
        >>> import seelike
        >>> seelike.Study(name="first", models=[{"name": "ViT", "zoo": "vit"}]).batch
        256
    """

    name: str = Field("study", description="label of the study in runs, reports and artifacts")
    store: str = Field(
        "store",
        description="where recordings and results are stored: a folder, or s3://, gs://, az://",
    )
    images: Images = Field(Images(), description="the images that all models see")
    models: Annotated[list[Model], ExpandPatterns()] = Field(
        min_length=1, description="the networks: one entry per network, or one pattern for several"
    )
    taps: str | list[str] = Field(
        "blocks", description="the layers: `blocks`, `paper`, or glob patterns over module names"
    )
    reduction: Literal["flatten", "cls", "mean", "tokens"] = Field(
        "flatten",
        description="reduction of a layer's output before it is compared; `flatten`, as in the "
        "paper, keeps all of it",
    )
    keep: Literal["activations", "signatures", "sketches"] = Field(
        "activations",
        description="what stays in the store: activations; or signatures, which are small and "
        "suffice for CKA; or sketches, smaller still, for `seelike sketch` and `nearest` only",
    )
    sketch: Projection = Field(DEFAULT_PROJECTION, description="dimension and seed of the sketches")
    batch: int = Field(256, ge=4, description="images per batch for HSIC (statistical batch)")
    similarity: Measures = Field(
        ["cka"],
        description="measures: cka (always computed), cka_exact, cka_biased, cka_rbf (or "
        "cka_rbf:WIDTH), cka_deconfounded, rsa, mutual_knn, procrustes, svcca, pwcca, predictivity",
    )
    sweep: bool = Field(
        False,
        description="show how CKA depends on the number of images and the batch size; adds "
        "cka_exact",
    )
    permutations: Permutations = Field(
        200, ge=0, description="permutations of the images for p values; 0 leaves them out"
    )
    fit_permutations: Permutations = Field(
        20,
        ge=0,
        description="permutations for measures that fit one layer to another (procrustes, svcca; "
        "twice as many for pwcca, predictivity); each costs twice as much as the measure itself",
    )
    anatomy: Analyses = Field(
        ["attention", "heads", "receptive_fields", "residuals", "localization"],
        min_length=1,
        description="analyses of `seelike anatomy`: attention, heads, receptive_fields, residuals, "
        "localization, ablation (one forward pass per block)",
    )
    head_block: int = Field(
        0, ge=0, description="index (from 0) of the block whose heads are compared with a ResNet"
    )
    localization_tokens: list[GridCell] = Field(
        [],
        description="tokens of the last layer to draw, each as [row, column]; some spread over the "
        "grid if left out",
    )
    receptive_field_images: int = Field(
        32,
        ge=4,
        description="number of images, the first of the set, over which receptive fields are "
        "averaged",
    )
    reproduction: Reproduction = Field(
        Reproduction(), description="used by `seelike reproduce` only"
    )
    map: Map = Field(Map(), description="used by `seelike map` only")
    probing: Probing = Field(
        Probing(), description="used by `seelike probe` and `seelike reproduce` only"
    )
    baseline: bool = Field(True, description="also compare an untrained baseline of every model")
    skip_bad_images: bool = Field(False, description="leave out images that cannot be read")
    skip_degenerate: bool = Field(
        False, description="leave out layers that are constant over the images"
    )
    compute: Compute = Field(
        Compute(), description="devices, batch sizes and workers; changes no result"
    )
    training: Training = Field(Training(), description="used by `seelike train` only")
    report: str | None = Field(
        None,
        description="folder or bucket's URL for the report; reports/NAME if left out",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, value: Any) -> Any:
        """Read a path, so that flows take a study or its file."""
        return read_yaml(Path(value)) if isinstance(value, str | Path) else value

    @model_validator(mode="after")
    def _activations_for_measures(self) -> "Study":
        reading = [name for name in self.measures if measure(name).reads_activations]
        if reading and self.keep != "activations":
            raise ValueError(
                f"{', '.join(reading)} needs activations, which keep: {self.keep} does not store; "
                "set keep: activations, or leave the measure out"
            )
        return self

    @model_validator(mode="after")
    def _names(self) -> "Study":
        label(self.name)
        names = [model.name for model in self.models]
        if self.baseline:
            names += [baseline_name(model.name) for model in self.models]
        doubled = sorted({n for n in names if names.count(n) > 1})
        if doubled:
            raise ValueError(
                f"two models are named {doubled[0]!r}, untrained baselines included; rename one"
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

    def at(self, store: str) -> "Study":
        """This study with its store at another URL."""
        return self.changed(store=store)

    def for_anatomy(self) -> "Study":
        """This study without a reduction: networks that lack what one needs are analysed too."""
        return self.changed(reduction="flatten")

    def for_probes(self, images: Images | None = None) -> "Study":
        """This study, on other ``images`` if given, with all activations kept and no measures.

        Probes reduce activations themselves.
        """
        return self.changed(
            images=images or self.images,
            reduction="flatten",
            keep="activations",
            similarity=["cka"],
            sweep=False,
        )

    def for_map(self) -> "Study":
        """This study with CKA as its only measure."""
        return self.changed(similarity=["cka"], sweep=False)

    def for_reproduction(self) -> "Study":
        """This study without a reduction, as in the paper."""
        return self.changed(reduction="flatten")

    def within_blocks(self) -> "Study":
        """This study with the paper's layers, those inside of blocks too, compared by CKA."""
        models = [
            model.changed(taps=None) if model.taps is not None else model for model in self.models
        ]
        return self.changed(models=models, taps="paper", similarity=["cka"], sweep=False)

    def networks(self) -> list[StudyModel]:
        """The networks in the study's order, then the untrained baseline of every trained one."""
        networks = [model.network(self.taps) for model in self.models]
        trained = [one for one in networks if one.trained] if self.baseline else []
        return networks + [
            StudyModel(untrained(one.spec), one.patterns, trained=False, baseline_of=one.name)
            for one in trained
        ]

    @property
    def forward_batch(self) -> int:
        """Images per forward pass: as set, or as suits `keep`."""
        own = 64 if self.keep == "activations" else self.batch
        return self.compute.forward_batch or own

    @property
    def measures(self) -> list[str]:
        """The measures of the study, and the one that a sweep needs."""
        return list(dict.fromkeys([*self.similarity, *(["cka_exact"] if self.sweep else [])]))

    @property
    def statistics(self) -> Statistics:
        """Permutations, memory and degenerate layers, as tasks take them."""
        return Statistics(
            skip_degenerate=self.skip_degenerate,
            permutations=self.permutations,
            fit_permutations=self.fit_permutations,
            memory=self.compute.memory_bytes,
        )

    @property
    def map_design(self) -> MapDesign:
        """Window, method and permutations of the map, as tasks take them."""
        return MapDesign(
            window=self.map.window,
            method=self.map.method,
            permutations=self.permutations,
            skip_degenerate=self.skip_degenerate,
            memory=self.compute.memory_bytes,
        )

    @property
    def report_folder(self) -> str:
        """The folder or bucket's URL of the report."""
        return self.report or f"reports/{self.name}"
