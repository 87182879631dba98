import pandas as pd
import pytest
from pydantic import TypeAdapter

from blocks.errors import InputError
from tasks.design.generators import (
    COLUMNS,
    MODULES,
    GeneratorParams,
    generate,
    needs_parent,
    needs_profile,
    provenance_columns,
    wanted,
)
from tasks.design.mutagenesis import MutateParams, SaturateParams
from tasks.design.profile import ALPHABET, build_profile
from tasks.design.recombination import EmitParams, RecombineParams
from tasks.design.resampling import ResampleParams

PARENT = "ACDEFGHIKLMNPQ"
ALL = [
    ResampleParams(count=30),
    EmitParams(count=30),
    MutateParams(count=30),
    SaturateParams(top=30),
    RecombineParams(count=30, min_segment=3),
]


@pytest.fixture(scope="module")
def profile():
    return build_profile(
        [("a", PARENT), ("b", "SCDEYGHVKLMNPQ"), ("c", "ACNEFGRIKIMNPK"), ("d", "ACDDFGHIKLQNPQ")]
    )


def every(test):
    return pytest.mark.parametrize("params", ALL, ids=lambda params: params.kind)(test)


@every
def test_every_generator_fills_the_common_columns(params, profile):
    made = generate(params, parent=PARENT, profile=profile, seed=1)
    assert tuple(made.columns[:5]) == COLUMNS
    assert made["sequence"].is_unique
    assert len(made) == 30
    assert set("".join(made["sequence"])) <= set(ALPHABET)
    assert PARENT not in set(made["sequence"])
    assert set(made["method"]) == {params.kind}
    assert made["temperature"].dtype == made["score"].dtype == "float64"
    assert made["mutations"].notna().all()


@every
def test_provenance_names_the_columns_of_an_item(params, profile):
    made = generate(params, parent=PARENT, profile=profile, seed=1)
    renamed = made.rename(columns={"score": "generator_score"}).columns
    assert ("sequence", *provenance_columns(params)) == tuple(renamed)


@every
def test_the_same_seed_gives_the_same_designs(params, profile):
    tables = [generate(params, parent=PARENT, profile=profile, seed=1) for _ in range(2)]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize("params", [p for p in ALL if p.kind != "saturate"], ids=lambda p: p.kind)
def test_another_seed_gives_other_designs(params, profile):
    tables = [generate(params, parent=PARENT, profile=profile, seed=seed) for seed in (1, 2)]
    assert set(tables[0]["sequence"]) != set(tables[1]["sequence"])


def test_two_stages_of_one_run_draw_different_numbers(profile):
    first = generate(EmitParams(count=30), parent=None, profile=profile, seed=1)
    second = generate(EmitParams(count=31), parent=None, profile=profile, seed=1)
    assert first["sequence"].tolist() != second["sequence"].tolist()[:30]


@every
def test_what_is_missing_is_said_in_one_line(params, profile):
    if needs_parent(params):
        with pytest.raises(InputError, match=f"generator '{params.kind}': no parent"):
            generate(params, parent=None, profile=profile, seed=1)
    if needs_profile(params):
        with pytest.raises(InputError, match=f"generator '{params.kind}': no profile"):
            generate(params, parent=PARENT, profile=None, seed=1)


@every
def test_what_is_not_needed_may_be_missing(params, profile):
    parent = PARENT if needs_parent(params) else None
    family = profile if needs_profile(params) else None
    assert len(generate(params, parent=parent, profile=family, seed=1)) == 30


def test_needs():
    assert [needs_parent(params) for params in ALL] == [True, False, True, True, False]
    assert [needs_profile(params) for params in ALL] == [True, True, False, True, True]
    assert not needs_profile(SaturateParams(scoring="matrix"))


def test_saturation_wants_all_there_are():
    assert wanted(SaturateParams()) is None
    assert wanted(SaturateParams(top=3)) == 3
    assert wanted(EmitParams(count=7)) == 7


@every
def test_a_parent_with_other_letters_is_refused(params, profile):
    with pytest.raises(InputError, match="parent, position 2: 'X'"):
        generate(params, parent="AXDE", profile=profile, seed=1)


def test_the_kind_tells_the_generators_apart():
    made = TypeAdapter(GeneratorParams).validate_python({"kind": "mutate", "max_mutations": 5})
    assert made == MutateParams(max_mutations=5)


@every
def test_parameters_survive_json(params):
    adapter = TypeAdapter(GeneratorParams)
    assert adapter.validate_json(params.model_dump_json()) == params


def test_all_modules_of_generators_are_named():
    used = {type(params).__module__ for params in ALL} | {generate.__module__}
    assert used < set(MODULES)
