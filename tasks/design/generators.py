"""All generators of variants: one union of their parameters, one function to run any of them."""

from typing import Annotated, assert_never

import pandas as pd
from pydantic import Field

from blocks.errors import InputError
from tasks.design.mutagenesis import MutateParams, SaturateParams, mutate, saturate
from tasks.design.profile import Profile
from tasks.design.recombination import EmitParams, RecombineParams, emit, recombine
from tasks.design.remote_generation import BiolmGenerate
from tasks.design.remote_logits import BiolmResample
from tasks.design.remote_saturation import BiolmSaturate
from tasks.design.resampling import ResampleParams, resample
from tasks.design.residue_models import ProfileModel
from tasks.design.variants import checked_parent, random_numbers

GeneratorParams = Annotated[
    ResampleParams
    | EmitParams
    | MutateParams
    | SaturateParams
    | RecombineParams
    | BiolmResample
    | BiolmGenerate
    | BiolmSaturate,
    Field(discriminator="kind"),
]
COLUMNS = ("sequence", "method", "mutations", "temperature", "score")
"""What every generator fills; `mutations` is "" and numbers are NaN where they mean nothing."""
MODULES = (
    "tasks.design.generators",
    "tasks.design.mutagenesis",
    "tasks.design.profile",
    "tasks.design.recombination",
    "tasks.design.resampling",
    "tasks.design.residue_models",
    "tasks.design.variants",
)
"""The code that decides what a generator makes."""


def generate(
    params: GeneratorParams, *, parent: str | None, profile: Profile | None, seed: int
) -> pd.DataFrame:
    """Distinct variants, none of them the parent; the same arguments give the same rows.

    Returns:
        `COLUMNS`, then the generator's own; fewer rows than wanted where no more were found.

    Raises:
        InputError: The generator lacks a parent or a profile, or its settings do not fit them.
    """
    rng = random_numbers(params, seed)
    match params:
        case ResampleParams():
            text, model = checked_parent(_given(params, parent)), _of(params, profile)
            return resample(params, text, ProfileModel.of(model, text), rng)
        case EmitParams():
            return emit(params, _of(params, profile), parent, rng)
        case MutateParams():
            return mutate(params, _given(params, parent), rng)
        case SaturateParams():
            return saturate(params, _given(params, parent), profile)
        case RecombineParams():
            return recombine(params, _of(params, profile), parent, rng)
        case BiolmResample() | BiolmGenerate() | BiolmSaturate():
            raise InputError(f"generator {params.kind!r}: asks a service; expected a local one")
        case _:
            assert_never(params)


def needs_parent(params: GeneratorParams) -> bool:
    """Whether the generator changes a parent."""
    if isinstance(params, BiolmGenerate):
        return params.from_parent
    return isinstance(
        params, ResampleParams | MutateParams | SaturateParams | BiolmResample | BiolmSaturate
    )


def needs_profile(params: GeneratorParams) -> bool:
    """Whether the generator cannot do without a profile."""
    if isinstance(params, SaturateParams):
        return params.scoring == "profile"
    return isinstance(params, ResampleParams | EmitParams | RecombineParams)


def wanted(params: GeneratorParams) -> int | None:
    """How many variants are asked for; None: all there are."""
    return params.top if isinstance(params, SaturateParams | BiolmSaturate) else params.count


def provenance_columns(params: GeneratorParams) -> tuple[str, ...]:
    """Columns of a variant besides its sequence, as items carry them.

    `score` is `generator_score` there: many columns of a run are scores.
    """
    own: tuple[str, ...] = ()
    match params:
        case ResampleParams() | BiolmResample():
            own = ("confidence",)
        case BiolmGenerate():
            own = (*params.chains, *params.numbers)
        case BiolmSaturate():
            own = ("position", "wild_type", "mutant")
        case SaturateParams():
            own = ("position", "wild_type", "mutant", "log_odds", "substitution_score")
        case RecombineParams():
            own = ("parents", "crossovers")
        case EmitParams() | MutateParams():
            pass
        case _:
            assert_never(params)
    return ("method", "mutations", "temperature", "generator_score", *own)


def _given(params: GeneratorParams, parent: str | None) -> str:
    if parent is None:
        raise InputError(f"generator {params.kind!r}: no parent; expected a sequence to change")
    return parent


def _of(params: GeneratorParams, profile: Profile | None) -> Profile:
    if profile is None:
        raise InputError(f"generator {params.kind!r}: no profile; expected one of the family")
    return profile
