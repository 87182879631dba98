"""Steps that work offline: literal texts in, literal fields out."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.feature_extraction.text import TfidfVectorizer

from tasks.graphs.builder import graph, node
from tasks.graphs.registry import STEPS
from tasks.graphs.step import Failed, Several, Skipped, StepContext, Value
from tasks.graphs.text.vectors import hashed, tfidf
from tasks.text.patterns import Found, without_overlaps
from tasks.text.textrank import ranks
from tasks.text.words import STOP_WORDS, sentence_spans, telling_words, words


def outcomes(name, items, **settings):
    step = STEPS[name]
    return step.make(step.params(**settings)).run(items, StepContext())


def outcome(name, item, **settings):
    (one,) = outcomes(name, [item], **settings)
    return one


def made(name, text, **settings):
    """The item that a step makes of a text."""
    one = outcome(name, {"text": text}, **settings)
    assert isinstance(one, Value), one
    return one.item


@pytest.mark.parametrize("name", ["clean", "tokenise", "embed", "summarise", "extract", "tfidf"])
def test_an_item_without_a_text_fails_alone(name):
    without, wrong, good = outcomes(name, [{}, {"text": 3}, {"text": "fine"}])

    assert without == Failed("field 'text' is missing; expected text")
    assert wrong == Failed("field 'text' holds a int; expected text")
    assert isinstance(good, Value)


@pytest.mark.parametrize("name", ["clean", "tokenise", "embed", "summarise", "extract", "tfidf"])
def test_other_fields_stay_and_those_written_are_declared(name):
    item = {"text": "Proteins fold. They do.", "id": 7}
    given = outcome(name, item).item
    declared = STEPS[name].writes(STEPS[name].params())

    assert given["id"] == 7
    assert set(given) - {"text", "id"} == set(declared) - {"text"}
    assert item == {"text": "Proteins fold. They do.", "id": 7}


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("<p>The <b>cell</b></p>\n<p>wall</p>", {}, "The cell wall"),
        ("CO<sub>2</sub> &amp; H<sub>2</sub>O", {}, "CO2 & H2O"),
        ("if a<b and p < 0.05 and c>d", {}, "if a<b and p < 0.05 and c>d"),
        ("a<script>var x = '<b>';</script>b<!-- <p>no</p> -->c", {}, "abc"),
        ("a <b", {}, "a <b"),
        ("p<q and r>s", {}, "p<q and r>s"),
        ('<a href="x">y</a> <i >z</i>', {}, "y z"),
        ("mail <me@a.org>, List<String>", {}, "mail <me@a.org>, List<String>"),
        ("&lt;b&gt; stays", {}, "<b> stays"),
        ("\ufb01ne\u00a0\u200bwords\u00ad", {}, "fine words"),
        ("\ufb01ne", {"unicode": "keep"}, "\ufb01ne"),
        ("<b>x</b>", {"html": False}, "<b>x</b>"),
        ("a \r\n\r\n\r\n b\tc", {"lines": True}, "a\n\nb c"),
        ("  A  B ", {"lower": True}, "a b"),
        ("", {}, ""),
    ],
)
def test_clean(text, settings, expected):
    assert made("clean", text, **settings) == {"text": expected}


def test_clean_may_leave_the_text_as_it_was():
    assert made("clean", "<i>x</i>", into="plain") == {"text": "<i>x</i>", "plain": "x"}


def test_many_openings_without_an_end_take_no_time():
    assert len(made("clean", "<!--<a <b " * 50_000)["text"]) == 0


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("It's IL-2, 1,000.5 \u03bcm!", {}, ["it's", "il-2", "1,000.5", "\u03bcm"]),
        ("The p53 of E. coli", {"stop_words": False, "lower": False}, ["p53", "E", "coli"]),
        ("a bb ccc", {"shortest": 2}, ["bb", "ccc"]),
        ("", {}, []),
    ],
)
def test_tokenise(text, settings, expected):
    assert made("tokenise", text, **settings)["tokens"] == expected


def test_places_of_words_are_those_in_the_text():
    item = made("tokenise", "Yes, IL-2.", spans=True)

    assert item["tokens_spans"] == [[0, 3], [5, 9]]


SENTENCES = {
    "abbreviations": (
        "Dr. Smith et al. showed it (Fig. 2). See e.g. Table 1. It works.",
        ["Dr. Smith et al. showed it (Fig. 2).", "See e.g. Table 1.", "It works."],
    ),
    "species": ("We grew E. coli. S. Aureus died.", ["We grew E. coli.", "S. Aureus died."]),
    "vitamin": ("It needs vitamin C. The rest not.", ["It needs vitamin C.", "The rest not."]),
    "numbers": ("It is 1.5 vs. 2.5. No. 5 is no. 5.", ["It is 1.5 vs. 2.5.", "No. 5 is no. 5."]),
    "et al. at the end": ("By Wu et al. The rest.", ["By Wu et al.", "The rest."]),
    "quotes": ('"Why?" he said. "So." Then', ['"Why?" he said.', '"So."', "Then"]),
    "empty line": ("A title\n\nand a text", ["A title", "and a text"]),
    "ellipsis": ("Well... it is. Wait... Now!", ["Well... it is.", "Wait...", "Now!"]),
    "none": ("  ", []),
}


@pytest.mark.parametrize(("text", "expected"), SENTENCES.values(), ids=SENTENCES)
def test_sentences(text, expected):
    assert [text[begin:end] for begin, end in sentence_spans(text)] == expected


@given(st.text(alphabet='aB1.!? \n"()\u2026', max_size=60))
def test_sentences_hold_all_that_is_no_space_each_once(text):
    spans = list(sentence_spans(text))
    outside = [text[a:b] for a, b in pairwise([0, *(n for one in spans for n in one), len(text)])]

    assert spans == sorted(spans)
    assert "".join(outside[::2]).strip() == ""
    assert all(text[begin:end] == text[begin:end].strip() != "" for begin, end in spans)


@given(st.text(max_size=60), st.sampled_from([{"by": "words", "size": 2}, {"size": 3}, {}]))
def test_parts_are_where_they_say_and_hold_all_words(text, settings):
    given_ = outcome("split", {"text": text}, **settings)
    parts = given_.items if isinstance(given_, Several) else ()

    assert [text[one["start"] : one["end"]] for one in parts] == [one["text"] for one in parts]
    assert [word for one in parts for word in words(one["text"])] == words(text)


@given(st.text(alphabet="<>ab/ !-&;scriptSCRIPT", max_size=60))
def test_clean_never_fails_and_leaves_no_needless_space(text):
    plain = made("clean", text)["text"]

    assert plain == " ".join(plain.split())


def test_many_full_stops_take_no_time():
    text = "a" + "." * 200_000 + "b"

    assert list(sentence_spans(text)) == [(0, len(text))]


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("One. Two two. Three.", {}, ["One.", "Two two.", "Three."]),
        ("One. Two two. Three.", {"size": 3}, ["One. Two two.", "Three."]),
        ("Much too long here. Two.", {"size": 2}, ["Much too long here.", "Two."]),
        ("a\n\nb c\n \nd", {"by": "paragraphs"}, ["a", "b c", "d"]),
        ("(a) b c d e.", {"by": "words", "size": 2}, ["(a) b", "c d", "e."]),
        ("a b c d e", {"by": "words", "size": 3, "overlap": 1}, ["a b c", "c d e"]),
        ("a", {"by": "words", "size": 3, "overlap": 2}, ["a"]),
    ],
)
def test_split(text, settings, expected):
    given = outcome("split", {"text": text, "id": 1}, **settings)

    assert isinstance(given, Several)
    assert [one["text"] for one in given.items] == expected
    assert [text[one["start"] : one["end"]] for one in given.items] == expected
    assert [(one["part"], one["parts"], one["id"]) for one in given.items] == [
        (number, len(expected), 1) for number in range(len(expected))
    ]


def test_an_empty_text_has_no_parts():
    assert outcome("split", {"text": " "}) == Skipped("empty")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"by": "words"}, "expected a size"),
        ({"overlap": 1}, "an overlap without"),
        ({"by": "words", "size": 2, "overlap": 2}, "expected a smaller one"),
    ],
)
def test_parts_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        STEPS["split"].params(**settings)


def test_hashed_vectors_are_the_same_everywhere_and_know_only_words():
    vectors = hashed(["The protein folds.", "a protein FOLDS", "car", "automobile", ""], 256)

    assert np.allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 1, 0])
    assert vectors[0] @ vectors[1] == pytest.approx(1)
    assert vectors[2] @ vectors[3] < 0.3
    assert np.flatnonzero(hashed(["a"], 512)[0]).tolist() == [32]


def test_embed_says_what_made_the_vector():
    item = made("embed", "one two", dimensions=16)

    assert len(item["vector"]) == 16
    assert item["vector_by"] == "hashing-16"
    assert sum(number**2 for number in item["vector"]) == pytest.approx(1, abs=1e-5)


def test_tfidf_is_that_of_scikit_learn():
    texts = ["cell wall of the cell", "cell nucleus", "nucleus and protein", "wall"]
    judge = TfidfVectorizer(tokenizer=words, token_pattern=None, stop_words=list(STOP_WORDS))
    theirs = judge.fit_transform(texts).toarray()

    for row, ours in zip(theirs, tfidf(texts), strict=True):
        expected = dict(zip(judge.get_feature_names_out(), row, strict=True))
        assert ours == pytest.approx({word: n for word, n in expected.items() if n})


def test_keywords_are_those_that_the_other_texts_do_not_have():
    texts = ["the cell wall", "the cell nucleus", "the cell"]
    run = graph(node("words", "tfidf", keywords=1, dimensions=16)).run({"text": t} for t in texts)

    assert [one["keywords"] for one in run.outputs["words"]] == [["wall"], ["nucleus"], ["cell"]]
    assert run.outputs["words"][2]["keywords_weights"] == [1.0]
    assert run.outputs["words"][0]["vector_by"] == "tfidf-16"


CLASSES = [
    {"label": "signal", "examples": ["kinase phosphorylates receptor", "receptor signalling"]},
    {"label": "fold", "examples": ["protein folds into helix", "helix and sheet fold"]},
]


def test_classify_by_the_nearest_examples():
    good = made("classify", "the kinase, its receptor and a helix", classes=CLASSES)
    other = made("classify", "Wetterbericht", classes=CLASSES, threshold=0.2)

    assert (good["label"], good["label_by"]) == ("signal", "nearest_centroid")
    assert good["label_score"] > good["label_margin"] > 0.2
    assert (other["label"], other["label_score"] <= 0.2) == ("unknown", True)


def test_classify_by_descriptions():
    classes = ["weather", {"label": "kinases", "description": "phosphorylation of proteins"}]
    item = made("classify", "The phosphorylation of ERK", classes=classes)

    assert (item["label"], item["label_by"]) == ("kinases", "zero_shot")


def test_scores_are_cosines():
    item = made("classify", "aa bb", classes=["aa bb", "cc dd"])

    assert item["label_score"] == pytest.approx(1, abs=1e-5)


def test_classify_takes_vectors_that_the_same_maker_made():
    wired = node("embed", "embed", dimensions=64) >> [
        node("same", "classify", classes=["aa", "bb"], vector="vector", dimensions=64),
        node("other", "classify", classes=["aa", "bb"], vector="vector"),
    ]
    run = graph(wired).run([{"text": "aa"}])

    assert run.outputs["same"][0]["label"] == "aa"
    assert run.failed("other") == {
        (0,): "field 'vector' was made by hashing-64; expected hashing-512, as the classes are"
    }


@pytest.mark.parametrize(
    ("classes", "method", "message"),
    [
        (["a", "a"], "auto", "class 'a' is there twice"),
        (["a", "b"], "nearest_centroid", "class 'a' has no examples"),
        (["a"], "auto", "at least 2"),
    ],
)
def test_classes_that_cannot_be_told_apart_are_refused(classes, method, message):
    with pytest.raises(ValidationError, match=message):
        STEPS["classify"].params(classes=classes, method=method)


TEXT = """The cell wall protects the cell. Weather was fine. The wall of the cell holds proteins.
Proteins of the cell wall bind sugar. Nobody came."""


def test_summaries_are_sentences_of_the_text_in_its_order():
    item = made("summarise", TEXT, sentences=2)

    assert item["summary_sentences"] == [2, 3]
    assert item["summary"] == (
        "The wall of the cell holds proteins. Proteins of the cell wall bind sugar."
    )
    assert item["summary_by"] == "textrank"
    assert made("summarise", TEXT, sentences=2, method="lead")["summary_sentences"] == [0, 1]


def test_ranks_add_up_and_favour_what_is_shared():
    sentences = [["a", "b", "c"], ["a", "b", "d"], ["a", "b", "c", "d"], ["x", "y"], ["z"]]
    rank = ranks(sentences)

    assert rank.sum() == pytest.approx(1)
    assert rank.argmax() == 2
    assert rank[3] == pytest.approx(rank[4])
    assert rank[3] == rank.min()
    assert ranks([]).tolist() == []


def test_a_text_of_too_many_sentences_fails_with_the_remedy():
    failed = outcome("summarise", {"text": "So it is here now. " * 2_001})

    assert failed == Failed(
        "2001 sentences; expected at most 2000 in a text; `split` makes smaller ones"
    )


FOUND = {
    "email": ("write to a.b+c@x-y.org.", ["a.b+c@x-y.org"]),
    "url": ("(see https://a.org/b?c=1).", ["https://a.org/b?c=1"]),
    "doi": ("doi:10.1093/nar/gkab1.", ["10.1093/nar/gkab1"]),
    "pmid": ("PMID: 123456", ["123456"]),
    "date": (
        "2024-02-29, 2023-02-29, 3 March 2021, May 5, 1999, 31 Sept 2020",
        ["2024-02-29", "3 March 2021", "May 5, 1999"],
    ),
    "money": ("$1,200.50 or 30 EUR", ["$1,200.50", "30 EUR"]),
    "number": ("-1.5e-3 of 12 in p53, 30 %", ["-1.5e-3", "12", "30"]),
    "percent": ("about 12.5 %", ["12.5 %"]),
    "phone": ("call +44 20 7946 0958 now", ["+44 20 7946 0958"]),
    "ipv4": ("10.0.0.1, 300.1.1.1, 1.2.3.4.5", ["10.0.0.1"]),
    "uuid": ("x 123e4567-e89b-12d3-a456-426614174000", ["123e4567-e89b-12d3-a456-426614174000"]),
    "ec": ("lysozyme (EC 3.2.1.17)", ["3.2.1.17"]),
    "ensembl": ("ENSG00000139618.2 ENST00000380152", ["ENSG00000139618.2", "ENST00000380152"]),
    "go": ("GO:0006915", ["GO:0006915"]),
    "pdb": ("PDB ID 1ABC, 2024", ["1ABC"]),
    "refseq": ("NP_000537.3, XM_123456789", ["NP_000537.3", "XM_123456789"]),
    "rsid": ("rs7412", ["rs7412"]),
    "uniprot": ("P12345, A0A023GPI8 and not B1234", ["P12345", "A0A023GPI8"]),
    "variant": ("p.Val600Glu = V600E", ["p.Val600Glu", "V600E"]),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "case"), FOUND.items(), ids=FOUND)
def test_forms_that_are_known(kind, case):
    text, expected = case
    found = made("extract", text, kinds=[kind])["entities"]

    assert [one["text"] for one in found] == expected
    assert [text[one["start"] : one["end"]] for one in found] == expected
    assert {(one["kind"], one["by"]) for one in found} == {(kind, "pattern")}


def test_own_patterns_and_terms_with_the_longest_match():
    item = made(
        "extract",
        "BRCA1 exon 2 (sample S-07)",
        kinds=[],
        patterns=[{"name": "sample", "pattern": r"S-(\d+)"}],
        terms=[{"name": "gene", "terms": ["brca1"]}, {"name": "part", "terms": ["BRCA1 exon"]}],
    )

    assert item["entities"] == [
        {"kind": "part", "text": "BRCA1 exon", "start": 0, "end": 10, "by": "term"},
        {"kind": "sample", "text": "07", "start": 23, "end": 25, "by": "pattern"},
    ]


SPANS = st.tuples(st.integers(0, 12), st.integers(1, 6))


@given(st.lists(SPANS, max_size=12))
def test_of_what_overlaps_the_longest_stays(spans):
    found = [
        Found("x", "", start, start + length, str(at)) for at, (start, length) in enumerate(spans)
    ]
    kept = []
    for one in sorted(found, key=lambda one: (one.start - one.end, one.start)):
        if not any({*range(one.start, one.end)} & {*range(k.start, k.end)} for k in kept):
            kept.append(one)

    assert without_overlaps(found) == sorted(kept, key=lambda one: one.start)


def test_a_text_full_of_numbers_is_no_trouble():
    count = 50_000  # the square of it would take minutes
    found = made("extract", " ".join(map(str, range(count))), kinds=["number"])["entities"]

    assert [int(one["text"]) for one in found] == list(range(count))


def test_overlaps_may_stay():
    settings = {
        "kinds": ["uuid"],
        "terms": [{"name": "x", "terms": ["a b"]}, {"name": "y", "terms": ["b"]}],
    }
    item = made("extract", "a b", overlaps=True, **settings)

    assert [(one["kind"], one["start"]) for one in item["entities"]] == [("x", 0), ("y", 2)]


def test_a_pattern_that_takes_for_ever_fails_its_item():
    failed, good = outcomes(
        "extract",
        [{"text": "a" * 40}, {"text": "aab"}],
        patterns=[{"name": "slow", "pattern": r"(?:a|aa)+b"}],
        time_limit_s=0.1,
    )

    assert failed == Failed("pattern 'slow' takes longer than 0.1 s; expected a simpler one")
    assert [one["text"] for one in good.item["entities"]] == ["aab"]


def test_a_broken_pattern_is_refused():
    with pytest.raises(ValidationError, match="no regular expression"):
        STEPS["extract"].params(patterns=[{"name": "x", "pattern": "("}])


def test_telling_words_are_all_where_nothing_else_is_left():
    assert telling_words("The protein") == ["protein"]
    assert telling_words("to be or not to be") == ["to", "be", "or", "not", "to", "be"]
