"""The registry, `prefect.yaml` and the README tell of the same pipelines."""

from pathlib import Path

import pytest
import yaml

from blocks.errors import InputError
from flows.registry import PIPELINES, pipeline

ROOT = Path(__file__).parents[2]
STANZAS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


def test_every_deployment_is_of_a_registered_pipeline_and_the_other_way_round():
    flows = {one.entrypoint: one.flow.name for one in PIPELINES.values()}
    declared = {
        (f"{flows.get(stanza['entrypoint'])}/{stanza['name']}", stanza["entrypoint"])
        for stanza in STANZAS
    }
    registered = {
        (deployment, one.entrypoint) for one in PIPELINES.values() for deployment in one.deployments
    }
    assert registered == declared


@pytest.mark.parametrize("one", PIPELINES.values(), ids=PIPELINES)
def test_a_pipeline_can_be_loaded_and_its_deployments_bear_its_flows_name(one):
    assert {deployment.split("/")[0] for deployment in one.deployments} == {one.flow.name}
    assert "params" in one.flow.parameters.properties
    assert one.parameters.model_fields


@pytest.mark.parametrize("one", PIPELINES.values(), ids=PIPELINES)
def test_the_readme_names_the_deployments(one):
    text = (ROOT / "README.md").read_text()
    assert f"`{one.deployments[0]}`" in text


@pytest.mark.parametrize(
    "one", [one for one in PIPELINES.values() if one.fallback], ids=lambda one: one.name
)
def test_a_fallback_changes_parameters_that_there_are(one):
    fields = pipeline(one.fallback.pipeline).parameters.model_fields
    assert {name for name, _ in one.fallback.changes} <= fields.keys()


def test_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'design'"):
        pipeline("desing")


def test_a_pipeline_without_a_plan_says_so():
    asked = pipeline("reads-verify")
    with pytest.raises(InputError, match="has no plan"):
        asked.plan(asked.parameters.model_construct())
