"""The YAML of a study file, before anything of it is validated."""

from pathlib import Path
from typing import Any

import yaml

from seelike.flows.errors import StudyError


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys of a study file; ``StudyError`` where it cannot be read or has none."""
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
