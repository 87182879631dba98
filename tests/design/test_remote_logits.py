import numpy as np
import pytest
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.design import remote_logits
from tasks.design.profile import ALPHABET, build_profile
from tasks.design.remote_logits import BiolmResample, RemoteLogits, resample_remotely
from tasks.design.remote_model import NOTES
from tasks.design.resampling import ResampleParams, resample
from tasks.design.residue_models import ProfileModel

FAMILY = [
    ("a", "ACDEFGHIKLMN"),
    ("b", "ACDEYGHIKLMQ"),
    ("c", "SCDEFGHVKLMN"),
    ("d", "ACNEFGHIRLMN"),
]
PARENT = "ACDEFGHIKLMN"
VOCABULARY = ["<cls>", "<pad>", "<eos>", *reversed(ALPHABET), "<mask>", "X"]


class Service:
    """Serves a table of logits in the order of `VOCABULARY`, with rows for begin and end."""

    def __init__(self, table, refuses=lambda text: False):
        self.rows = np.full((len(table) + 2, len(VOCABULARY)), 7.0)
        self.rows[1:-1, 3:23] = table[:, ::-1]
        self.refuses = refuses
        self.asks = []

    def ask(self, items):
        self.asks.append([item["sequence"] for item in items])
        faults = {i: "too odd" for i, item in enumerate(items) if self.refuses(item["sequence"])}
        answer = {"logits": self.rows.tolist(), "vocab_tokens": VOCABULARY}
        return [None if i in faults else answer for i in range(len(items))], faults


class Canned:
    """Always gives the same answer."""

    def __init__(self, answer):
        self.answer = answer

    def ask(self, items):
        return [self.answer] * len(items), {}


@pytest.fixture(scope="module")
def profile():
    return ProfileModel.of(build_profile(FAMILY), PARENT)


@pytest.fixture(scope="module")
def varied():
    """A table that hardly ever gives the same variant twice."""
    return np.random.default_rng(5).normal(size=(len(PARENT), 20)) / 3


def rng():
    return np.random.default_rng(3)


def settings(**given):
    return BiolmResample(model="esm2-8m", **given)


def logits_of(answer, sequence="AC", hidden=(), vocabulary=()):
    masks = np.zeros((1, len(sequence)), dtype=bool)
    masks[0, list(hidden)] = True
    return RemoteLogits(Canned(answer), vocabulary=vocabulary).logits([sequence], masks)[0]


@pytest.mark.parametrize("strategy", ["random", "low_confidence", "blocks"])
def test_a_profile_served_remotely_gives_the_variants_of_the_local_one(profile, strategy):
    given = {"count": 60, "strategy": strategy, "temperature": (0.7, 1.3), "top_p": 0.95}
    local = resample(ResampleParams(**given), PARENT, profile, rng())
    made = resample_remotely(settings(**given), PARENT, Service(profile.table), rng())
    assert made["sequence"].tolist() == local["sequence"].tolist()
    assert made["score"].tolist() == pytest.approx(local["score"].tolist())
    assert made["confidence"].tolist() == pytest.approx(local["confidence"].tolist())
    assert set(made["method"]) == {"biolm_resample"}
    assert made.attrs[NOTES] == []


def test_all_variants_of_an_iteration_are_one_ask_of_different_texts(varied):
    service = Service(varied)
    resample_remotely(settings(count=100, iterations=3), PARENT, service, rng())
    assert service.asks[0] == [PARENT]
    assert len(service.asks) == 4
    assert all(len(set(texts)) == len(texts) for texts in service.asks)
    assert all(text.count("<mask>") == 2 for texts in service.asks[1:] for text in texts)


def test_low_confidence_costs_one_more_ask_per_iteration(profile):
    service = Service(profile.table)
    params = settings(count=50, iterations=2, strategy="low_confidence", temperature=3.0)
    resample_remotely(params, PARENT, service, rng())
    kinds = ["<mask>" in texts[0] for texts in service.asks[1:]]
    assert kinds == [False, True] * (len(kinds) // 2)
    assert service.asks[1] == [PARENT]  # all variants are the parent still


def test_memory_bounds_change_no_answer(profile, monkeypatch):
    masks = np.eye(12, dtype=bool).repeat(9, axis=0)
    sequences = [PARENT[:3] + ALPHABET[i % 9] + PARENT[4:] for i in range(108)]
    whole = RemoteLogits(Service(profile.table)).logits(sequences, masks)
    monkeypatch.setattr(remote_logits, "ANSWER_BYTES", 1)
    service = Service(profile.table)
    assert np.array_equal(RemoteLogits(service).logits(sequences, masks), whole)
    assert [len(texts) for texts in service.asks] == [64, 36]  # 9 variants hide where they differ


def test_few_variants_at_a_time_where_the_parent_is_long(profile, monkeypatch):
    monkeypatch.setattr(remote_logits, "TABLE_BYTES", 8 * 20 * 12 * 10)
    service = Service(profile.table)
    made = resample_remotely(settings(count=100, iterations=1), PARENT, service, rng())
    assert len(made) == 100
    assert max(len(texts) for texts in service.asks) == 10


@pytest.mark.parametrize("strategy", ["random", "low_confidence", "blocks"])
def test_what_fails_is_given_up_and_moves_nothing_else(varied, strategy):
    params = settings(count=40, strategy=strategy, iterations=3, mask_fraction=0.3)
    whole = resample_remotely(params, PARENT, Service(varied), rng())
    service = Service(varied, refuses=lambda text: "W" in text or "Y" in text)
    made = resample_remotely(params, PARENT, service, rng())
    assert len(made) == 40
    rest = whole[whole["sequence"].isin(made["sequence"])]
    assert 3 < len(rest) < 40
    same = ["sequence", "mutations", "score", "confidence"]
    assert made[same].head(len(rest)).equals(rest[same].reset_index(drop=True))


def test_what_failed_is_not_asked_again_and_counted(varied):
    service = Service(varied, refuses=lambda text: text.startswith("<mask>"))
    params = settings(count=40, iterations=3, mask_fraction=0.5)
    made = resample_remotely(params, PARENT, service, rng())
    asked = [text for texts in service.asks for text in texts]
    failed, of = sum(text.startswith("<mask>") for text in asked), len(asked) - 1
    assert made.attrs[NOTES] == [
        f"esm2-8m: {failed} of {of} sequences were not answered, their variants given up; "
        f"the first: too odd"
    ]
    first, second, third = service.asks[1:4]
    assert len(first) > len(second) > len(third)


def test_a_model_that_answers_nothing_stops_the_stage_at_once(profile):
    service = Service(profile.table, refuses=lambda text: "<mask>" in text)
    with pytest.raises(InputError, match=r"none of \d+ sequences was answered.*too odd"):
        resample_remotely(settings(count=40), PARENT, service, rng())
    assert len(service.asks) == 2


def test_one_text_for_all_variants_that_is_refused_stops_the_stage(varied):
    service = Service(varied, refuses=lambda text: "<mask>" in text)
    params = settings(count=40, strategy="low_confidence")
    with pytest.raises(InputError, match="none of 1 sequences was answered"):
        resample_remotely(params, PARENT, service, rng())
    assert len(service.asks) == 3


def test_a_model_that_refuses_sequences_without_masks_makes_variants_without_scores(profile):
    service = Service(profile.table, refuses=lambda text: "<mask>" not in text)
    made = resample_remotely(settings(count=40), PARENT, service, rng())
    assert len(made) == 40
    assert made["score"].isna().all()
    assert made["confidence"].notna().all()
    assert made.attrs[NOTES] == ["esm2-8m: no scores, for the parent has none: too odd"]


ROW_A, ROW_C = [1.0, 2.0, 9.0], [3.0, 4.0, 9.0]
CA = ["C", "A", "<mask>"]


def test_logits_come_in_the_order_of_the_alphabet_and_missing_residues_never():
    table = logits_of({"logits": [ROW_A, ROW_C], "vocab_tokens": CA})
    assert table[:, :2].tolist() == [[2.0, 1.0], [4.0, 3.0]]
    assert (table[:, 2:] == -np.inf).all()


def test_rows_of_begin_and_end_are_left_out():
    rows = [[0.0] * 3, ROW_A, ROW_C, [0.0] * 3]
    assert logits_of({"logits": rows, "vocab_tokens": CA})[:, 0].tolist() == [2.0, 4.0]


def test_sequence_tokens_tell_the_rows():
    answer = {
        "logits": [[0.0] * 3, ROW_A, ROW_C],
        "sequence_tokens": ["<cls>", "A", "<mask>"],
        "vocab_tokens": CA,
    }
    assert logits_of(answer, hidden=[1])[:, 0].tolist() == [2.0, 4.0]


def test_the_vocabulary_of_the_settings_serves_a_model_without():
    answer = {"logits": [ROW_A, ROW_C]}
    assert logits_of(answer, vocabulary=tuple(CA))[:, 0].tolist() == [2.0, 4.0]


def test_a_residue_that_is_no_token_is_never_drawn():
    class Three(Canned):
        def ask(self, items):
            rows = [[0.0, 0.1, 0.2]] * 2
            return [{"logits": rows, "vocab_tokens": ["A", "C", "D"]}] * len(items), {}

    made = resample_remotely(settings(count=500, mask_fraction=1.0), "AC", Three(None), rng())
    assert set("".join(made["sequence"])) == set("ACD")
    assert len(made) == 8
    assert np.isfinite(made["score"]).all()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"score": 1}, "no `logits`"),
        ({"logits": [ROW_A, ROW_C]}, "no `vocab_tokens`"),
        ({"logits": [[1.0], [2.0, 3.0]], "vocab_tokens": CA}, "no table"),
        ({"logits": ROW_A, "vocab_tokens": CA}, "expected rows of 3 numbers"),
        ({"logits": [ROW_A, ROW_C], "vocab_tokens": ["A", "C"]}, "expected rows of 2 numbers"),
        ({"logits": [ROW_A], "vocab_tokens": CA}, "1 rows for 2 residues"),
        ({"logits": [ROW_A] * 7, "vocab_tokens": CA}, "is '<mask>' the model's mask"),
        ({"logits": [ROW_A, ROW_C], "vocab_tokens": ["A", "A", "C"]}, "a residue twice"),
        ({"logits": [ROW_A, ROW_C], "vocab_tokens": ["a", "b", "c"]}, "no residue"),
        ({"logits": [ROW_A, ROW_C], "vocab_tokens": ["A", "D", "E"]}, "no 'C'.*position 2"),
        (
            {"logits": [ROW_A, ROW_C], "sequence_tokens": ["C", "A"], "vocab_tokens": CA},
            "another sequence",
        ),
    ],
)
def test_what_is_no_table_of_logits_is_refused_in_one_line(answer, said):
    with pytest.raises(InputError, match=said) as error:
        logits_of(answer)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "ESM 2"},
        {"model": "../x"},
        {"mask": ""},
        {"vocabulary": ("A", "A")},
        {"vocabulary": ("<mask>",)},
        {"batch_size": 0},
        {"deadline_s": 0},
        {"action": "delete"},
        {"params": {"x": float("nan")}},
        {"params": {"text": "x" * 20_001}},
        {"params": {"a": [{"api_key": "x"}]}},
        {"params": {"accessToken": "x"}},
        {"params": {"HF_TOKEN": "x"}},
        {"params": {"Authorization": "x"}},
    ],
)
def test_wrong_settings_cannot_be_made(wrong):
    with pytest.raises(ValidationError):
        BiolmResample(**{"model": "esm2-8m", **wrong})


def test_parameters_of_language_models_are_no_secrets():
    given = {"mask_token": "#", "max_tokens": 5, "tokenizer": "x", "key": 1, "secreted": True}
    assert settings(params=given).params == given


def test_the_order_of_parameters_decides_nothing():
    one, other = settings(params={"a": 1, "b": 2}), settings(params={"b": 2, "a": 1})
    assert one.model_dump_json() == other.model_dump_json()
