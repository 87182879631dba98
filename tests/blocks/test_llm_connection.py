"""Where a model is and who asks: from a block, from the environment, refused where it cannot be."""

import httpx
import pytest
from pydantic import SecretStr

from blocks.errors import InputError
from blocks.llm_connection import ModelForm, connection_of_form, environment_connection

CANARY = "sk-canary-51c0"
OPENAI = {"base_url": "https://api.example.org/v1/", "model": "m"}
BEDROCK = {"provider": "bedrock", "region": "us-east-1", "model": "amazon.nova-micro-v1:0"}


def connected(**fields):
    return connection_of_form("fast", ModelForm(**fields))


def test_an_openai_server():
    made = connected(**OPENAI, key=CANARY, in_flight=3, fallbacks=["slow"])

    assert (made.name, made.base_url, made.model) == ("fast", "https://api.example.org/v1", "m")
    assert made.key.get_secret_value() == CANARY
    assert (made.in_flight, made.fallbacks, made.aws) == (3, ("slow",), None)


def test_bedrock_is_where_its_region_is():
    made = connected(**BEDROCK)

    assert made.base_url == "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert (made.key, made.aws) == (None, None)


def test_keys_of_an_aws_account():
    keys = {"access_key_id": "AKID", "secret_access_key": CANARY, "session_token": "t"}
    made = connected(**BEDROCK, **keys)

    assert made.aws.secret_access_key.get_secret_value() == CANARY
    assert made.aws.session_token.get_secret_value() == "t"
    assert CANARY not in repr(made)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"base_url": "https://a.org"}, "names no model; expected a model or an embedding model"),
        ({"model": "m"}, "base_url ''; expected such as https://api.openai.com/v1"),
        ({**OPENAI, "base_url": "ftp://a.org"}, "base_url 'ftp://a.org'"),
        ({**OPENAI, "base_url": "https://a.org:x"}, "base_url is no URL"),
        ({**OPENAI, "base_url": f"https://me:{CANARY}@a.org"}, "a login in base_url"),
        ({**OPENAI, "base_url": f"https://a.org?key={CANARY}"}, "base_url has a query"),
        ({**OPENAI, "base_url": "http://a.org", "key": CANARY}, "a key over plain http to a.org"),
        ({**OPENAI, "key": f"{CANARY}\nX: 1"}, "key holds what no header takes"),
        ({**BEDROCK, "region": "earth"}, "region 'earth'; expected such as us-east-1"),
        ({**BEDROCK, "secret_access_key": CANARY}, "half of a pair of AWS keys"),
        ({**BEDROCK, "access_key_id": "AKID"}, "half of a pair of AWS keys"),
    ],
)
def test_what_cannot_be_used_is_refused_without_a_secret(fields, message):
    with pytest.raises(InputError) as told:
        connected(**fields)

    assert message in str(told.value)
    assert str(told.value).startswith("connection 'fast': ")
    assert CANARY not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_key_may_go_to_this_machine_over_http():
    assert connected(base_url="http://127.0.0.1:8080/v1", model="m", key=CANARY).key is not None


def test_the_environment_describes_a_connection(monkeypatch):
    monkeypatch.setenv("SEQLOOM_LLM_BASE_URL", "https://api.example.org/v1")
    monkeypatch.setenv("SEQLOOM_LLM_KEY", CANARY)
    monkeypatch.setenv("SEQLOOM_LLM_IN_FLIGHT", "4")
    assert environment_connection() is None

    monkeypatch.setenv("SEQLOOM_LLM_MODEL", "m")
    made = environment_connection()

    assert (made.name, made.model, made.in_flight) == ("environment", "m", 4)
    assert made.key.get_secret_value() == CANARY


def test_the_environment_is_told_by_its_variable_and_not_by_its_value(monkeypatch):
    monkeypatch.setenv("SEQLOOM_LLM_MODEL", "m")
    monkeypatch.setenv("SEQLOOM_LLM_IN_FLIGHT", CANARY)

    with pytest.raises(InputError, match=r"^SEQLOOM_LLM_IN_FLIGHT: ") as told:
        environment_connection()
    assert CANARY not in str(told.value)
    assert told.value.__cause__ is told.value.__context__ is None


@pytest.mark.engine
def test_a_block_holds_the_secret_and_shows_it_to_nobody(prefect_server):
    from blocks.llm import LanguageModel, connections_of

    key = SecretStr(CANARY)
    LanguageModel(**OPENAI, key=key, fallbacks=["llm-slow"]).save("llm-fast", overwrite=True)
    LanguageModel(**BEDROCK, fallbacks=["llm-fast"]).save("llm-slow", overwrite=True)
    found = connections_of(["llm-fast"])
    listed = httpx.post(f"{prefect_server.api}/block_documents/filter", json={}).text

    assert list(found) == ["llm-fast", "llm-slow"]
    assert found["llm-fast"].key.get_secret_value() == CANARY
    assert "llm-fast" in listed
    assert CANARY not in listed + repr(found)


@pytest.mark.engine
def test_a_connection_that_is_nowhere_is_told_with_the_remedy(prefect_server):
    from blocks.llm import connections_of

    with pytest.raises(InputError, match="no language-model block is called 'nobody'"):
        connections_of(["nobody"])
    with pytest.raises(InputError, match="expected SEQLOOM_LLM_MODEL and SEQLOOM_LLM_BASE_URL"):
        connections_of(["environment"])
