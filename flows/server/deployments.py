"""The file of deployments that `seelike serve` serves: one's own, or the one of this package."""

from dataclasses import dataclass
from pathlib import Path

from seelike.flows.errors import StudyError

# They come with the package; in the repository they are links to the files at its root.
PACKAGED = Path(__file__).with_name("deployment.yaml")
AUTOMATIONS = Path(__file__).with_name("automations.yaml")


@dataclass(frozen=True)
class Deployments:
    """Deployments to make: their file, and the folder in which their runs start."""

    file: Path
    folder: Path

    @property
    def automations(self) -> Path:
        """The file of automations beside it."""
        return self.file.parent / AUTOMATIONS.name


def find_deployments(named: Path | None) -> Deployments:
    """Find the file of deployments to serve.

    Args:
        named: The file; if left out, ``deployment.yaml`` of the current folder, or else the one
            that comes with seelike.

    Returns:
        The file, and its own folder; for the one that comes with seelike the current folder.

    Raises:
        StudyError: ``named`` does not exist.
    """
    own = named or Path(PACKAGED.name)
    if own.is_file():
        return Deployments(own.absolute(), own.absolute().parent)
    if named is not None:
        raise StudyError(
            f"--deployments {named} does not exist; name another file, or leave the option out to "
            "serve the deployments that come with seelike"
        )
    return Deployments(PACKAGED, Path.cwd())
