"""Where the steps of a run come from: a configuration, the parameters or a preset."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from blocks.errors import InputError
from blocks.storage import open_uri, placed
from tasks.reads.configuration import parsed
from tasks.reads.model import ReadsParams
from tasks.reads.presets import Preset, preset_text
from tasks.reads.samplesheet import Sample
from tasks.reads.toml_places import Places

INLINE = "steps"
"""What messages call steps that stand in the parameters."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done with a sample."""

    content: dict[str, Any]
    places: Places
    """Lines of what stands there."""
    source: str
    text: str


def read_recipe(params: ReadsParams, root: str) -> Recipe:
    """The configuration of all samples."""
    if not params.configuration:
        content: dict[str, Any] = {"step": [dict(step) for step in params.steps]}
        return Recipe(content, {}, INLINE, yaml.safe_dump(content, sort_keys=False))
    with open_uri(placed(params.configuration, root)) as file:
        try:
            text = file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            told = f"{params.configuration}: byte {error.start} is no text"
            raise InputError(f"{told}; expected UTF-8") from None
    name = Path(params.configuration.rsplit("/", 1)[-1])
    return Recipe(*parsed(text, name), name.name, text)


def preset_recipe(preset: Preset, sample: Sample) -> Recipe:
    """What a preset does with a sample: it depends on whether there are mates."""
    text = preset_text(preset, paired="read2" in sample.files)
    return Recipe(*parsed(text, Path(f"{preset}.toml")), preset, text)
