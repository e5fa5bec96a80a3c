"""An opened study: its store located, its images read; nothing is written yet."""

from dataclasses import dataclass
from typing import Any

from seelike.flows.errors import StudyError
from seelike.flows.study.study import Study
from seelike.storage.images import ImageSet
from seelike.storage.reports.write import check_folder
from seelike.storage.store import Store, locate
from seelike.tasks.planning.image_sources import open_images
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.planning.survey import survey


@dataclass(frozen=True)
class OpenedStudy:
    """A study with the full URL of its store, and the images that all its models see."""

    study: Study
    store: Store
    images: ImageSet

    def plan(self, model: StudyModel) -> ModelPlan:
        """Survey one network here, outside of a flow run.

        Args:
            model: One of ``study.networks()``.

        Returns:
            Its layers, what recording it means, and the identity of the result.

        Raises:
            AnalysisError: The network cannot be loaded, or a pattern matches no layer of it.
        """
        return survey.fn(model, **self.survey_settings)

    @property
    def survey_settings(self) -> dict[str, Any]:
        """Settings that the plan of a network depends on, as ``survey`` takes them."""
        return {
            "images": self.images.digest,
            "count": len(self.images),
            "batch": self.study.batch,
            "reduction": self.study.reduction,
            "measures": self.study.measures,
            "store": self.store.url,
        }


def open_study(study: Study, *, report: str | None = None) -> OpenedStudy:
    """Locate the store of a study and read its images.

    Args:
        study: The study.
        report: Folder or bucket's URL of the report that will be written, if any.

    Returns:
        The study with the full URL of its store, since workers may run in another folder.

    Raises:
        StorageError: The store, the report's folder or the images cannot be used.
        AnalysisError: The image source is unknown to timm.
    """
    store = locate(study.store)
    if report is not None:
        check_folder(report)
    return OpenedStudy(study.at(store.url), store, images_of(study))


def images_of(study: Study) -> ImageSet:
    """Read the image set that all models of a study see."""
    asked = study.images
    return open_images(
        asked.source,
        count=asked.count,
        seed=asked.seed,
        split=asked.split,
        root=asked.root,
        skip_bad=study.skip_bad_images,
    )


def check_comparable(keep: str) -> None:
    """Raise ``StudyError`` where a study keeps sketches alone, which cannot be compared."""
    if keep == "sketches":
        raise StudyError(
            "comparing reads signatures, which keep: sketches does not keep; set keep: signatures, "
            "or use `seelike sketch STUDY` and then `seelike nearest MODEL:LAYER`"
        )
