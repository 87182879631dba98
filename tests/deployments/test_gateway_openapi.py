"""schemathesis: whatever the OpenAPI of the gateway allows, and what it does not, gets no 5xx."""

from contextlib import suppress

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.deployments.conftest import Caller, RunningGateway

pytestmark = pytest.mark.engine

EXAMPLES = 8
"""Of each route and kind."""


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_route_fails_and_every_answer_is_as_declared(
    gateway: RunningGateway, alice: Caller, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_dict(httpx.get(f"{gateway.url}/openapi.json").json())
    called = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def call(case: schemathesis.Case) -> None:
            nonlocal called
            called += 1
            given = {**(case.headers or {}), "Authorization": f"Bearer {alice.shown}"}
            answer = case.call(base_url=gateway.url, headers=given)
            assert answer.status_code < 500, case.as_curl_command()
            case.validate_response(
                answer,
                checks=[
                    status_code_conformance,
                    content_type_conformance,
                    response_schema_conformance,
                ],
            )

        with suppress(Unsatisfiable):  # nothing can be wrong about a route that takes nothing
            call()
    assert called > EXAMPLES
