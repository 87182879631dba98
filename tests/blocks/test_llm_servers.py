"""Real servers that we did not write: what we send they take, what they say we read."""

from dataclasses import replace

import botocore.session
import numpy as np
import pytest
from botocore.config import Config
from pydantic import SecretStr

from blocks.errors import InputError
from blocks.llm_calls import Answer, AwsKeys, Fault, ModelConnection, Prompt
from blocks.llm_models import LanguageModels
from blocks.llm_shapes import Shape
from blocks.service_pace import RetryRule
from tests.llm_script import ScriptedServer, status
from tests.llm_servers import LLAMA_KEY, REGION

pytestmark = pytest.mark.llm_server
QUICK = RetryRule(attempts=4, first_wait_s=0.02, longest_wait_s=0.05, throttled_for_s=20)
SHAPE = Shape.of_fields("label", {"label": ["good", "bad"], "sure": "bool"})
MODEL = "amazon.nova-micro-v1:0"
KEYS = AwsKeys(SecretStr("AKIATEST"), SecretStr("secret-canary"))


def chat_at(url, **changes):
    return replace(
        ModelConnection("llama", "openai", url, "tiny", key=SecretStr(LLAMA_KEY)), **changes
    )


def bedrock_at(url, **changes):
    return replace(
        ModelConnection("aws", "bedrock", url, MODEL, region=REGION, aws=KEYS), **changes
    )


def asked(connection, *prompts, **options):
    models = LanguageModels({connection.name: connection}, retry=QUICK, **options)
    with models:
        return models.generate(connection.name, prompts)


class TestLlama:
    def test_an_answer_and_its_tokens(self, llama_chat):
        prompt = Prompt("Once upon", "Tell.", max_tokens=8, seed=1)
        first, again = asked(chat_at(llama_chat), prompt, replace(prompt, stop=("\0",)))

        assert isinstance(first, Answer), first
        assert (first.finish, first.usage.output_tokens) == ("length", 8)
        assert first.usage.input_tokens > len("Once upon")
        assert isinstance(again, Answer)

    def test_a_form_holds_even_for_random_weights(self, llama_chat):
        prompts = [Prompt(f"Is {n} good?", max_tokens=200, shape=SHAPE) for n in range(8)]
        answers = asked(chat_at(llama_chat), *prompts)

        values = [one.value for one in answers if isinstance(one, Answer)]
        assert len(values) >= 6, answers
        assert {value["label"] for value in values} <= {"good", "bad"}
        assert {type(value["sure"]) for value in values} == {bool}

    def test_a_wrong_key_ends_it_and_is_not_shown(self, llama_chat):
        wrong = chat_at(llama_chat, key=SecretStr("sk-wrong-canary"))
        with pytest.raises(InputError, match="HTTP 401") as told:
            asked(wrong, Prompt("q"))

        assert "canary" not in str(told.value)

    def test_a_prompt_that_is_too_long_is_refused_with_the_server_s_words(self, llama_chat):
        (fault,) = asked(chat_at(llama_chat), Prompt("word " * 4_000))

        assert isinstance(fault, Fault)
        assert fault.kind == "refused"
        assert "context" in fault.reason

    def test_vectors(self, llama_embeddings):
        own = ModelConnection("e", "openai", llama_embeddings, embedding_model="tiny")
        texts = [f"text {n}" for n in range(70)]
        with LanguageModels({"e": own}, retry=QUICK) as models:
            found = models.embed("e", texts)
            (again,) = models.embed("e", texts[69:])

        assert {vector.shape for vector in found} == {(64,)}
        assert np.allclose(found[69], again, atol=1e-4)
        assert not np.allclose(found[0], found[1], atol=1e-3)

    def test_a_server_without_embeddings_is_a_fault(self, llama_chat):
        own = chat_at(llama_chat, embedding_model="tiny")
        with LanguageModels({"llama": own}, retry=QUICK) as models:
            (fault,) = models.embed("llama", ["a"])

        assert isinstance(fault, Fault)
        assert "embeddings" in fault.reason

    def test_it_stands_in_for_a_server_that_fails(self, llama_chat):
        prompt = Prompt("q", max_tokens=4)
        with ScriptedServer(status(500)) as broken:
            first = replace(
                ModelConnection("main", "openai", broken.url, "m"), fallbacks=("llama",)
            )
            pair = {"main": first, "llama": chat_at(llama_chat)}
            with LanguageModels(pair, retry=QUICK) as models:
                (answer,) = models.generate("main", [prompt])

        assert (answer.model, answer.fell_back) == ("llama: tiny", True)


class TestBedrock:
    def test_we_hear_what_aws_s_own_client_hears(self, bedrock):
        prompt = Prompt("Once upon", "Tell.", max_tokens=8)
        (ours,) = asked(bedrock_at(bedrock), prompt)
        client = botocore.session.get_session().create_client(
            "bedrock-runtime",
            REGION,
            endpoint_url=bedrock,
            aws_access_key_id="AKIATEST",
            aws_secret_access_key="secret-canary",
            config=Config(retries={"total_max_attempts": 1}),
        )
        theirs = client.converse(
            modelId=MODEL,
            system=[{"text": "Tell."}],
            messages=[{"role": "user", "content": [{"text": "Once upon"}]}],
            inferenceConfig={"maxTokens": 8, "temperature": 0.0},
        )
        client.close()

        assert isinstance(ours, Answer), ours
        assert ours.text == theirs["output"]["message"]["content"][0]["text"]
        assert ours.usage.input_tokens == theirs["usage"]["inputTokens"] > 8
        assert ours.usage.output_tokens == theirs["usage"]["outputTokens"] == 8

    def test_a_conversation_of_many_at_once(self, bedrock):
        prompts = [Prompt(f"number {n}", max_tokens=4) for n in range(20)]
        answers = asked(bedrock_at(bedrock, in_flight=4), *prompts)

        assert [type(one) for one in answers] == [Answer] * 20


@pytest.fixture(params=["openai", "bedrock"])
def scripted(request, aimock):
    """A connection to aimock on each wire, the word of its prompts, and the server."""
    if request.param == "openai":
        made = ModelConnection("c", "openai", f"{aimock.url}/v1", "m", key=SecretStr("sk-canary"))
    else:
        made = ModelConnection(
            "c", "bedrock", aimock.url, MODEL, region=REGION, key=SecretStr("sk-canary")
        )
    return made, request.param, aimock


class TestRefusals:
    @pytest.mark.parametrize(("word", "requests"), [("busy", 3), ("down", 2)])
    def test_what_passes_is_waited_for(self, scripted, word, requests):
        own, wire, _ = scripted
        (answer,) = asked(own, Prompt(f"{wire}: {word}"))

        assert isinstance(answer, Answer), answer
        assert answer.usage.requests == requests

    @pytest.mark.parametrize(
        ("word", "kind", "said"),
        [("never", "unavailable", "HTTP 500"), ("wrong", "refused", "refused with 400")],
    )
    def test_what_does_not_pass_is_a_fault(self, scripted, word, kind, said):
        own, wire, _ = scripted
        (fault,) = asked(own, Prompt(f"{wire}: {word}"))

        assert isinstance(fault, Fault), fault
        assert (fault.kind, said in fault.reason) == (kind, True)

    def test_a_stranger_is_turned_away(self, scripted):
        own, wire, _ = scripted
        with pytest.raises(InputError, match="expected a key, an account and a model"):
            asked(own, Prompt(f"{wire}: stranger"))

    def test_nonsense_is_asked_for_once_more(self, scripted):
        own, wire, _ = scripted
        shape = Shape.of_fields("label", {"label": ["good", "bad"]})
        (answer,) = asked(replace(own, structured="prompt"), Prompt(f"{wire}: form", shape=shape))

        assert isinstance(answer, Answer), answer
        assert (answer.value, answer.repaired, answer.usage.requests) == (
            {"label": "good"},
            True,
            2,
        )

    @pytest.mark.parametrize(
        ("rates", "said"),
        [({"malformedRate": 1.0}, "cut off"), ({"disconnectRate": 1.0}, "the connection broke")],
        ids=["malformed", "hang-up"],
    )
    def test_what_is_no_answer_is_a_fault_and_then_over(self, scripted, rates, said):
        own, wire, mock = scripted
        mock.disturb(**rates)
        try:
            (fault,) = asked(own, Prompt(f"{wire}: plain"))
        finally:
            mock.disturb()
        (answer,) = asked(own, Prompt(f"{wire}: plain"))

        assert isinstance(fault, Fault)
        assert (fault.kind, said in fault.reason) == ("unavailable", True), fault
        assert answer.text == "hello"

    def test_the_key_goes_into_the_header_and_nowhere_else(self, scripted):
        own, wire, mock = scripted
        asked(own, Prompt(f"{wire}: plain"))
        last = mock.seen()[-1]

        assert "sk-canary" not in str(last.get("body"))
        assert "authorization" in str(last.get("headers")).lower()
