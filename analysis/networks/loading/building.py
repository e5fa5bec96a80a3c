"""Build a timm network by name, with errors that name the remedy."""

import json
from collections.abc import Mapping
from typing import Any

import timm
import torch
from timm.models import get_arch_pretrained_cfgs, split_model_name_tag
from torch import nn

from seelike.analysis.errors import AnalysisError, suggest
from seelike.analysis.networks.loading.checkpoints import first_line
from seelike.analysis.networks.loading.skip_free import without_skips

SKIP_FREE = "skip_free"


def build(name: str, *, pretrained: bool, arguments: Mapping[str, Any], seed: int) -> nn.Module:
    """Call ``timm.create_model(name, pretrained, **arguments)`` with initial weights from ``seed``.

    The global random state is left as it was.

    Args:
        name: timm's name of the network.
        pretrained: Whether to load its weights.
        arguments: Arguments for timm; and ``skip_free``, which is not timm's: the number of the
            block of a ViT that is to have no skips.
        seed: Seed of the initial weights.

    Raises:
        AnalysisError: For an unknown name or tag, arguments that timm refuses, and weights that do
            not exist or can't be downloaded.
    """
    _check_name(name, pretrained=pretrained)
    _check_arguments(arguments)
    own = {key: value for key, value in arguments.items() if key != SKIP_FREE}
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also reseed the GPUs' generators, which are not forked here.
        torch.default_generator.manual_seed(seed)
        try:
            built: nn.Module = timm.create_model(name, pretrained=pretrained, **own)
        except Exception as error:
            why = _why(error, name, pretrained=pretrained, arguments=own)
            if why is None:
                raise
            raise AnalysisError(why) from error
    if SKIP_FREE in arguments:
        without_skips(built, arguments[SKIP_FREE])
    return built


def accepts(name: str, argument: str, value: object, arguments: Mapping[str, Any]) -> bool:
    """Whether the timm model takes ``argument`` beside ``arguments``; allocates no weights."""
    own = {key: given for key, given in arguments.items() if key != SKIP_FREE}
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        try:
            timm.create_model(name, **{**own, argument: value})
        except TypeError as error:
            return argument not in str(error)
        except Exception:  # Initialisation may fail on the meta device: the argument was taken.
            return True
    return True


def _check_name(name: str, *, pretrained: bool) -> None:
    if ":" in name:  # hf-hub:OWNER/MODEL or local-dir:FOLDER, which timm resolves.
        return
    architecture, tag = split_model_name_tag(name)
    if not timm.is_model(name):
        known = [*timm.list_models(), *timm.list_pretrained()]
        raise AnalysisError(f"timm has no model {name!r}; {suggest(name, known)}")
    tags = sorted(get_arch_pretrained_cfgs(architecture))
    if tag and name not in tags:
        raise AnalysisError(
            f"{architecture!r} has no weights tagged {tag!r}; {suggest(name, tags)}"
        )
    # A deprecated name has no tags of its own; timm knows where its weights went.
    if pretrained and tags and not timm.is_model_pretrained(name):
        raise AnalysisError(
            f"timm has no weights for {name!r}; of those with weights "
            f"{suggest(name, timm.list_pretrained())}"
        )


def _check_arguments(arguments: Mapping[str, Any]) -> None:
    """Arguments are part of a model's identity, so they have to be writable as JSON."""
    for key, value in arguments.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise AnalysisError(
                f"argument {key}={value!r} can't be written to a study; give numbers, text, "
                f"true or false, null, lists or mappings of these"
            ) from error


def _why(
    error: Exception, name: str, *, pretrained: bool, arguments: Mapping[str, Any]
) -> str | None:
    """Explain ``error`` where the user can mend it; None where it is a fault."""
    text = f"{type(error).__name__}: {first_line(error)}"
    if isinstance(error, RuntimeError) and "loading state_dict" in str(error):
        misfit = str(error).splitlines()[-1].strip()
        return f"the weights of {name!r} do not fit arguments {dict(arguments)}: {misfit[:200]}"
    refusal = isinstance(error, TypeError | AssertionError | ValueError | KeyError | RuntimeError)
    if pretrained and (isinstance(error, OSError) or not (refusal and arguments)):
        return (
            f"the pretrained weights of {name!r} can't be loaded ({text}); give a local file as "
            f"'checkpoint', or leave 'pretrained' out for an untrained network"
        )
    if ":" in name:
        return f"timm can't build {name!r}: {text}"
    if not (arguments and refusal):
        return None
    hint = ""
    if isinstance(error, TypeError) and "'img_size'" in str(error):
        hint = "; it takes any size: {pretrained_cfg_overlay: {input_size: [3, 128, 128]}}"
    return f"timm refuses arguments {dict(arguments)} for {name!r}: {text}{hint}"
