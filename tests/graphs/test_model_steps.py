"""Steps that ask a model, with one that says what the test wants; and rerank and dedupe."""

import re

import numpy as np
import pytest
from pydantic import ValidationError

from blocks.errors import InputError
from blocks.llm_calls import Answer, Fault
from tasks.graphs.builder import graph, node
from tasks.graphs.compiled import compiled
from tasks.graphs.registry import STEPS
from tasks.graphs.step import Failed, Skipped, StepContext, Value

FAULT = Fault("fast: m: HTTP 503: busy", "unavailable")


class Scripted:
    """Models that say what `say(prompt)` gives: a text, an `Answer`, a `Fault`, a value."""

    def __init__(self, say=lambda prompt: prompt.text):
        self.say, self.prompts, self.embedded = say, [], []

    def generate(self, connection, requests):
        self.prompts += requests
        return [self.answer(one) for one in requests]

    def answer(self, prompt):
        said = self.say(prompt)
        if isinstance(said, Answer | Fault):
            return said
        value = None if isinstance(said, str) else said
        return Answer(str(said), "fast: m", value=value)

    def embed(self, connection, texts):
        self.embedded.append(list(texts))
        lengths = [Fault("no", "refused") if t == "poison" else [len(t), 1.0] for t in texts]
        return [one if isinstance(one, Fault) else np.array(one, np.float32) for one in lengths]

    def identity(self, connection):
        return connection


def outcomes(name, items, models=None, **settings):
    step = STEPS[name]
    context = StepContext(models=models or Scripted(), seed=7)
    return step.make(step.params(**settings)).run(items, context)


def outcome(name, item, models=None, **settings):
    (one,) = outcomes(name, [item], models, **settings)
    return one


def test_generate_fills_the_prompt_and_adds_the_answer():
    models = Scripted(lambda prompt: " An answer.\n")
    settings = {"prompt": "Q: {{ q }}", "system": "Be {{ how }}", "stop": ["#"], "max_tokens": 9}
    made = outcome("generate", {"q": "why?", "how": "brief"}, models, connection="fast", **settings)

    assert made == Value(
        {"q": "why?", "how": "brief", "answer": "An answer.", "answer_by": "fast: m"}
    )
    (prompt,) = models.prompts
    assert (prompt.text, prompt.system) == ("Q: why?", "Be brief")
    assert (prompt.max_tokens, prompt.temperature, prompt.seed, prompt.stop) == (9, 0, 7, ("#",))


def test_fields_of_an_answer_become_fields_of_the_item():
    fields = [
        {"name": "mood", "choices": ["good", "bad"]},
        {"name": "score", "kind": "number"},
        {"name": "words", "kind": "texts"},
    ]
    said = {"mood": "good", "score": 1.0, "words": ["a"]}
    models = Scripted(lambda prompt: said)
    made = outcome("generate", {"t": "x"}, models, connection="c", prompt="{{ t }}", fields=fields)

    assert made.item == {"t": "x", **said, "answer_by": "fast: m"}
    schema = models.prompts[0].shape.schema
    assert schema["required"] == ["mood", "score", "words"]
    assert schema["properties"]["mood"]["enum"] == ["good", "bad"]
    assert schema["additionalProperties"] is False


def test_an_answer_by_a_schema_stays_whole():
    schema = {"type": "array", "items": {"type": "integer"}}
    models = Scripted(lambda prompt: [1, 2])
    made = outcome("generate", {}, models, connection="c", prompt="Count.", json_schema=schema)

    assert made.item["answer"] == [1, 2]
    assert models.prompts[0].shape.schema == schema


def test_an_item_that_does_not_fit_the_prompt_fails_alone():
    models = Scripted()
    missing, fine = outcomes(
        "generate", [{"u": 1}, {"t": "a"}], models, connection="c", prompt="{{ t }}"
    )

    assert missing == Failed("template: 't' is undefined; expected fields that fit it")
    assert fine.item["answer"] == "a"
    assert len(models.prompts) == 1


def test_why_there_is_no_answer_is_why_the_item_failed():
    assert outcome("generate", {}, Scripted(lambda _: FAULT), connection="c", prompt="x") == Failed(
        "fast: m: HTTP 503: busy", transient=True
    )


@pytest.mark.parametrize("name", ["generate", "translate", "summarise"])
def test_an_answer_that_was_cut_off_fails(name):
    models = Scripted(lambda _: Answer("once upon", "fast: m", "length"))
    settings = {"prompt": "x"} if name == "generate" else {}
    cut = outcome(name, {"text": "x"}, models, connection="c", max_tokens=5, **settings)

    assert isinstance(cut, Failed)
    assert "fast: m: cut off after 5 tokens; expected a larger max_tokens" in cut.text


def test_a_cut_off_answer_may_go_on_and_is_not_kept():
    models = Scripted(lambda _: Answer("once upon", "fast: m", "length"))
    cut = outcome("generate", {}, models, connection="c", prompt="x", on_cut="keep")

    assert cut == Value(
        {"answer": "once upon", "answer_by": "fast: m", "answer_cut": True}, keep=False
    )


@pytest.mark.parametrize("name", ["generate", "translate", "summarise", "classify", "extract"])
def test_what_a_stand_in_said_is_not_kept(name):
    values = {"classify": {"label": "a"}, "extract": {"mentions": []}}
    said = Answer("x", "slow: n", value=values.get(name), fell_back=True)
    settings = {
        "generate": {"prompt": "x"},
        "classify": {"classes": ["a", "b"]},
        "extract": {"ask_for": ["gene"]},
    }
    made = outcome(
        name, {"text": "x"}, Scripted(lambda _: said), connection="c", **settings.get(name, {})
    )

    assert isinstance(made, Value)
    assert not made.keep


def test_translate_asks_for_the_text_alone():
    models = Scripted(lambda _: "Hallo BRCA1")
    settings = {"language": "German", "keep": ["BRCA1"]}
    made = outcome("translate", {"text": "Hello {{ x }}"}, models, connection="c", **settings)

    assert made.item["translation"] == "Hallo BRCA1"
    assert models.prompts[0].text == "Hello {{ x }}"
    assert "into German" in models.prompts[0].system
    assert "BRCA1" in models.prompts[0].system


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("generate", {"prompt": "x"}),
        ("translate", {}),
        ("summarise", {"method": "model"}),
        ("classify", {"classes": ["a", "b"], "method": "model"}),
    ],
)
def test_a_step_without_its_model_says_what_to_do_before_anything_starts(name, settings):
    calls = []
    wired = node("first", calls.append) >> node("ask", name, **settings)

    with pytest.raises(InputError, match=r"expected the name of a language-model block"):
        graph(wired).run([{"text": "x"}])
    assert calls == []


def test_a_connection_that_the_run_has_not_is_told_before_anything_starts():
    calls = []
    wired = node("first", calls.append) >> node("ask", "generate", prompt="x", connection="fast")

    with pytest.raises(InputError, match="connection 'fast': this run has no models"):
        graph(wired).run([{}])
    assert calls == []


def test_fields_that_a_prompt_needs_are_checked_before_the_run():
    prompt = "{{ txet }} {{ x | default('') }} {{ item }}"
    wired = graph(node("ask", "generate", connection="c", prompt=prompt))

    with pytest.raises(InputError) as told:
        compiled(wired.declaration, input_fields={"text": str})
    assert "reads field 'txet', which nothing gives; expected one of text" in str(told.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prompt": "{{ x"}, "template: line 1: unexpected end of template"),
        ({"prompt": "{% for %}"}, "template: line 1"),
        ({"prompt": "x", "json_schema": {"type": "nonsense"}}, "JSON schema"),
        (
            {"prompt": "x", "json_schema": {"$ref": "http://a.org/b"}},
            "refers to 'http://a.org/b'; expected one that is whole",
        ),
        (
            {"prompt": "x", "json_schema": {"type": "string"}, "fields": [{"name": "a"}]},
            "both fields and a JSON schema",
        ),
        ({"prompt": "x", "fields": [{"name": "a"}, {"name": "a"}]}, "field 'a' is there twice"),
        (
            {"prompt": "x", "fields": [{"name": "a", "kind": "number", "choices": ["b"]}]},
            "choices with `kind: number`",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        STEPS["generate"].params(**settings)


@pytest.mark.parametrize(
    "prompt",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ item.__init__.__globals__ }}",
        "{% set _ = item.update({'a': 1}) %}",
    ],
)
def test_a_prompt_cannot_get_out_of_its_sandbox(prompt):
    item = {"t": "x"}
    failed = outcome("generate", item, connection="c", prompt=prompt)

    assert isinstance(failed, Failed)
    assert "unsafe" in failed.text or "undefined" in failed.text
    assert item == {"t": "x"}


@pytest.mark.parametrize(
    "prompt",
    [
        "{{ 'a' * 200000000 }}",
        "{{ 200000000 * t }}",
        "{{ [t] * 200000000 }}",
        "{{ 10 ** 10000000 % 7 }}",
        "{{ '%200000000d' % 1 }}",
        "{{ '%*d' % (200000000, 1) }}",
        "{{ '%200000000d'|format(1) }}",
        "{{ '{:200000000}'.format(1) }}",
        "{{ '{:{}}'.format(1, 200000000) }}",
        "{{ t.ljust(200000000) }}",
        "{{ t|center(200000000) }}",
        "{{ t|indent(200000000, true) }}",
        "{{ [t]|batch(200000000, 'x')|list }}",
        "{{ lipsum(200000000) }}",
        "{% for _ in range(99999) %}{{ t.replace('x', '" + "y" * 200 + "') }}{% endfor %}",
    ],
)
def test_a_short_prompt_cannot_make_a_huge_one(prompt):
    failed = outcome("generate", {"t": "x"}, connection="c", prompt=prompt)

    assert isinstance(failed, Failed)
    assert re.search("allowed|unsafe|undefined|longer than 10,000,000", failed.text)


@pytest.mark.parametrize(
    ("prompt", "filled"),
    [
        ("{{ 3 * 4 + 2 ** 10 }} {{ 7 % 4 }}", "1036 3"),
        ("{{ '%.2f' % 0.5 }} {{ '%5.1f'|format(2) }}", "0.50   2.0"),
        ("-{{ '{:>4}'.format(t) }}{{ t|center(3) }}{{ t|indent(2, true) }}", "-   x x   x"),
        ("{{ t + 'y' ~ 1 }} {{ [1] + [2] }}", "xy1 [1, 2]"),
        ("{% for two in [1, 2, 3]|batch(2, 0) %}{{ two }}{% endfor %}", "[1, 2][3, 0]"),
    ],
)
def test_a_prompt_may_reckon_and_format(prompt, filled):
    made = outcome("generate", {"t": "x"}, connection="c", prompt=prompt)

    assert made.item["answer"] == filled


def test_what_an_item_holds_is_no_template():
    assert (
        outcome("generate", {"t": "{{ 7 * 7 }}"}, connection="c", prompt="{{ t }}").item["answer"]
        == "{{ 7 * 7 }}"
    )


def test_classify_by_a_model_has_no_score():
    models = Scripted(lambda _: {"label": "bad"})
    classes = [{"label": "good", "description": "praise"}, "bad"]
    made = outcome("classify", {"text": "meh"}, models, classes=classes, connection="fast")

    assert made.item == {
        "text": "meh", "label": "bad", "label_by": "fast: m", "label_score": None,
        "label_margin": None,
    }  # fmt: skip
    assert models.prompts[0].shape.schema["properties"]["label"]["enum"] == ["good", "bad"]
    assert "- good: praise\n- bad\n" in models.prompts[0].text


def test_classify_by_vectors_of_a_model_embeds_the_classes_once():
    models = Scripted()
    settings = {"classes": ["aaaaaaaa", "b"], "method": "zero_shot", "connection": "c"}
    step = STEPS["classify"]
    runner = step.make(step.params(**settings))
    context = StepContext(models=models)
    first = runner.run([{"text": "ccccccccc"}, {"text": "poison"}], context)
    second = runner.run([{"text": "d"}], context)

    assert [one.item["label"] for one in (first[0], *second)] == ["aaaaaaaa", "b"]
    assert first[1] == Failed("no")
    assert models.embedded == [["aaaaaaaa", "b"], ["ccccccccc", "poison"], ["d"]]


def test_embed_by_a_model_gives_unit_vectors():
    good, bad = outcomes("embed", [{"text": "abc"}, {"text": "poison"}], connection="c")

    assert good.item == {"text": "abc", "vector": [0.948683, 0.316228], "vector_by": "c"}
    assert bad == Failed("no")


def test_extract_by_a_model_places_what_the_text_holds_and_drops_what_it_does_not():
    said = {"mentions": [{"kind": "gene", "text": "TP53"}, {"kind": "gene", "text": "MYC"}]}
    models = Scripted(lambda _: said)
    made = outcome(
        "extract",
        {"text": "TP53 and TP53 on 2024-01-02"},
        models,
        ask_for=["gene"],
        connection="c",
    )

    assert [(one["kind"], one["start"], one["by"]) for one in made.item["entities"]] == [
        ("gene", 0, "fast: m"), ("gene", 9, "fast: m"), ("date", 17, "pattern"),
    ]  # fmt: skip


def test_extract_without_a_connection_asks_nobody():
    models = Scripted()
    made = outcome("extract", {"text": "TP53"}, models, ask_for=["gene"])

    assert (made.item["entities"], models.prompts) == ([], [])


DOCUMENTS = [{"text": "a car", "id": 1}, {"text": "the cell wall", "id": 2}, "a cell and a cell"]


def test_rerank_by_shared_words():
    made = outcome("rerank", {"query": "cell wall", "items": DOCUMENTS}, top=2)
    first, second = made.item["items"]

    assert (first["id"], second["text"]) == (2, "a cell and a cell")
    assert first["rank_score"] > second["rank_score"] > 0
    assert first["rank_by"] == "bm25"


def test_bm25_is_what_its_formula_says():
    (one,) = outcome("rerank", {"items": ["cell wall"]}, query="cell").item["items"]

    # one text of mean length: ln(1 + 0.5 / 1.5) * 1 * 2.2 / (1 + 1.2)
    assert one["rank_score"] == 0.287682


def test_rerank_by_vectors():
    items = {"query": "bb", "items": ["aaaaaaaaaaaa", "cc"]}
    made = outcome("rerank", items, method="embedding", connection="c")
    local = outcome("rerank", {"query": "bb", "items": ["aa", "bb"]}, method="embedding")

    assert [one["text"] for one in made.item["items"]] == ["cc", "aaaaaaaaaaaa"]
    assert made.item["items"][0]["rank_score"] == 1
    assert local.item["items"][0]["rank_by"] == "hashing-512"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"items": ["a"]}, "field 'query' is missing"),
        ({"query": "q"}, "field 'items': expected a list of documents"),
        ({"query": "q", "items": [3]}, "field 'text' holds a int"),
    ],
)
def test_what_cannot_be_ranked_fails(item, message):
    assert message in outcome("rerank", item).text


def test_no_documents_are_no_mistake():
    assert outcome("rerank", {"query": "q", "items": []}).item["items"] == []


def texts(*given):
    return [{"text": one} for one in given]


def test_dedupe_drops_what_was_there_whatever_the_case_and_space():
    given = outcomes("dedupe", texts("A b", "a  B\n", "c", "A b"))

    assert [isinstance(one, Value) for one in given] == [True, False, True, False]
    assert given[1] == Skipped("duplicate")


LONG = "the cell wall of plants is made of cellulose and protects the cell from bursting"


def test_near_duplicates_share_most_of_their_runs_of_words():
    near = LONG.replace("bursting", "harm")
    far = "the cell wall of fungi is made of chitin and keeps the shape of the cell"
    given = outcomes("dedupe", texts(LONG, near, far), method="near", action="mark", threshold=0.7)

    assert [one.item["duplicate"] for one in given] == [False, True, False]
    assert given[1].item["resemblance"] == pytest.approx(12 / 14, abs=1e-6)


def test_duplicates_are_found_across_chunks_in_the_order_of_the_input():
    items = texts(*(f"text {n % 100}" for n in range(1_000)))
    run = graph(node("d", "dedupe")).run(items)

    assert [one["text"] for one in run.outputs["d"]] == [f"text {n}" for n in range(100)]
    assert run.tallies["d"].skipped == {"duplicate": 900}


def test_every_model_step_names_its_connection_and_what_it_writes():
    for name in ("generate", "translate", "summarise", "classify", "extract", "embed", "rerank"):
        step = STEPS[name]
        needs = {"generate": {"prompt": "x"}, "classify": {"classes": ["a", "b"]}}.get(name, {})
        needs |= {"method": "embedding"} if name == "rerank" else {}
        assert step.connection(step.params(connection="c", **needs)) == "c"
        assert step.needs_model == (name in {"generate", "translate"})
