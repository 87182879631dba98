"""Entry points and parameters of every deployment fit the code, before anybody deploys them."""

from pathlib import Path

import pytest
import yaml
from prefect.flows import load_flow_from_entrypoint

ROOT = Path(__file__).parent.parent.parent
STANZAS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


@pytest.mark.parametrize("stanza", STANZAS, ids=lambda stanza: stanza["name"])
def test_deployment_can_start(stanza):
    flow = load_flow_from_entrypoint(stanza["entrypoint"], use_placeholder_flow=False)

    assert ":" not in stanza["entrypoint"], "dotted, so that the module is imported once"
    flow.validate_parameters(stanza["parameters"])


@pytest.mark.parametrize("stanza", STANZAS, ids=lambda stanza: stanza["name"])
def test_parameters_fit_the_schema_that_the_server_checks(stanza):
    import jsonschema
    from prefect.utilities.callables import parameter_schema

    flow = load_flow_from_entrypoint(stanza["entrypoint"], use_placeholder_flow=False)
    schema = parameter_schema(flow).model_dump()

    jsonschema.Draft202012Validator(schema).validate(stanza["parameters"])


def test_form_draws_each_kind_of_stage():
    """The form shows `oneOf`, and any union inside of a list, as raw JSON."""
    from prefect.utilities.callables import parameter_schema

    from flows.design import design

    definitions = parameter_schema(design).model_dump()["definitions"]
    stage = definitions["DesignParams"]["properties"]["stages"]["items"]

    assert "anyOf" not in stage
    assert "rank" in stage["properties"]["uses"]["enum"]
    shapes = [
        frozenset(definitions[member["$ref"].split("/")[-1]]["properties"])
        if "$ref" in member
        else frozenset(member["properties"])
        for member in stage["properties"]["with"]["anyOf"]
    ]
    assert len(shapes) == len(set(shapes)), "the form tells members apart by their properties"


def test_form_draws_each_kind_of_node():
    from prefect.utilities.callables import parameter_schema

    from flows.graphs import graphs

    definitions = parameter_schema(graphs).model_dump()["definitions"]
    node = definitions["GraphParams"]["properties"]["nodes"]["items"]

    assert "anyOf" not in node
    assert {"classify", "generate", "merge"} <= set(node["properties"]["uses"]["enum"])
    shapes = [
        frozenset(definitions[member["$ref"].split("/")[-1]]["properties"])
        if "$ref" in member
        else frozenset(member["properties"])
        for member in node["properties"]["with"]["anyOf"]
    ]
    assert len(shapes) == len(set(shapes)), "the form tells members apart by their properties"
