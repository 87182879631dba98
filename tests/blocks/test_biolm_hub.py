"""The client against a real hub, if `SEQLOOM_TEST_HUB` names one (http://127.0.0.1:8000)."""

import asyncio
import os

import httpx
import pytest

from blocks.biolm_calls import Answered, Call, Connection
from blocks.biolm_client import BioLMClient
from blocks.errors import InputError

HUB = os.environ.get("SEQLOOM_TEST_HUB", "").rstrip("/")
ITEMS = {
    "dna-chisel/encode": [{"sequence": "ATGAAAGAATTCGCGTAA"}, {"sequence": "ATGCCCGGGTTTTAA"}],
    "temberture/predict": [
        {"sequence": "MKTAYIAKQRQISFVKSHFSRQ"},
        {"sequence": "MKVLAAGIVGLCAKAY"},
    ],
    "esm2/encode": [{"sequence": "MKTAYIAKQRQISFVKSHFSRQ"}, {"sequence": "MKVLAAGIVGLCAKAY"}],
}
"""Endpoints that a hub may have, with items for them."""
BAD = {"sequence": "!!!"}

pytestmark = pytest.mark.skipif(not HUB, reason="SEQLOOM_TEST_HUB names no hub")


@pytest.fixture(scope="module")
def endpoint() -> str:
    """One of the endpoints above that this hub has."""
    paths = httpx.get(f"{HUB}/openapi.json").raise_for_status().json()["paths"]
    known = [name for name in ITEMS if f"/api/v1/{name}" in paths]
    if not known:
        pytest.skip(f"{HUB} has none of {', '.join(ITEMS)}")
    return known[0]


def ask(endpoint: str, items: list[dict]) -> Answered:
    model, action = endpoint.split("/")

    async def main() -> Answered:
        async with BioLMClient(Connection(f"{HUB}/api/v1", "hub")) as biolm:
            return await biolm.batch(Call(model, action), items)

    return asyncio.run(main())


def test_every_item_is_answered(endpoint):
    answered = ask(endpoint, ITEMS[endpoint])

    assert not answered.faults
    assert all(isinstance(answer, dict) for answer in answered.answers)


def test_a_bad_item_is_set_aside_and_the_others_are_answered(endpoint):
    good = ITEMS[endpoint]

    answered = ask(endpoint, [good[0], BAD, good[1]])

    assert list(answered.faults) == [1]
    assert answered.answers[0] == ask(endpoint, good[:1]).answers[0]
    assert answered.answers[2] is not None


def test_an_unknown_model_is_one_line():
    with pytest.raises(InputError, match="404"):
        ask("no-such-model/predict", [{"sequence": "MKV"}])
