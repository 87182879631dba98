import pytest
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.design import remote_saturation
from tasks.design.mutagenesis import SaturateParams, saturate
from tasks.design.remote_model import NOTES
from tasks.design.remote_saturation import BiolmSaturate, saturate_remotely

PARENT = "MKV"
PDB = "ATOM      1  N   MET A   1      38.198  19.582  27.998  1.00 11.51           N\n"


class Service:
    """Scores a sequence by how many W and Y it has."""

    def __init__(self, answer=None, refuses=()):
        self.answer = answer or (lambda item: {"out": [{"tm": tm(item["sequence"])}]})
        self.refuses = refuses
        self.asks = []

    def ask(self, items):
        self.asks.append(list(items))
        faults = {i: "bad" for i, item in enumerate(items) if item.get("sequence") in self.refuses}
        return [None if i in faults else self.answer(item) for i, item in enumerate(items)], faults

    @property
    def items(self):
        return [item for items in self.asks for item in items]


def tm(text):
    return (
        50.0 + 2 * text.count("W") - text.count("Y") * text.index("V" if "V" in text else text[0])
    )


def settings(**given):
    return BiolmSaturate(model="tm-model", **{"key": "out.0.tm", **given})


def test_the_mutants_are_those_of_the_local_saturation():
    given = {"positions": (1, 2), "conserved": (1,), "alphabet": "ACW"}
    made = saturate_remotely(settings(**given), PARENT, Service())
    local = saturate(SaturateParams(scoring="matrix", **given), PARENT, None)
    same = ["sequence", "mutations", "position", "wild_type", "mutant"]
    assert made[same].equals(local[same])
    assert made["mutations"].tolist() == ["K2A", "K2C", "K2W"]
    assert made["score"].tolist() == [50.0, 50.0, 52.0]
    assert set(made["method"]) == {"biolm_saturate"}
    assert made.attrs[NOTES] == []


def test_each_mutant_is_asked_once_and_the_first_alone():
    service = Service()
    made = saturate_remotely(settings(), PARENT, service)
    assert [len(items) for items in service.asks] == [1, 56]
    assert sorted(item["sequence"] for item in service.items) == sorted(made["sequence"])


@pytest.mark.parametrize(
    ("best", "expected"),
    [("highest", ["M1W", "K2W", "V3W"]), ("lowest", ["M1Y", "K2Y", "M1A"])],
)
def test_top_keeps_the_best_and_ties_stand_by_position(best, expected):
    made = saturate_remotely(settings(top=3, best=best), PARENT, Service())
    assert made["mutations"].tolist() == expected


def test_a_relative_score_is_the_difference_to_the_parent_asked_once():
    service = Service()
    made = saturate_remotely(settings(relative=True, alphabet="W"), PARENT, service)
    assert made["score"].tolist() == [2.0, 2.0, 2.0]
    assert [item["sequence"] for item in service.items] == [PARENT, "WKV", "MWV", "MKW"]
    assert made.attrs[NOTES] == ["tm-model: the parent's own out.0.tm is 50"]


def test_no_score_of_the_parent_is_an_error():
    with pytest.raises(InputError, match="parent: no score to compare with: bad"):
        saturate_remotely(settings(relative=True), PARENT, Service(refuses={PARENT}))


def test_mutants_without_a_score_are_left_out_and_counted():
    def answer(item):
        odd = item["sequence"] == "MKW"
        return {"out": [{"tm": None if odd else tm(item["sequence"])}]}

    service = Service(answer, refuses={"WKV"})
    made = saturate_remotely(settings(alphabet="CW"), PARENT, service)
    assert made["mutations"].tolist() == ["M1C", "K2C", "K2W", "V3C"]
    assert made["score"].tolist() == [50.0, 50.0, 52.0, 50.0]
    assert made.index.tolist() == [0, 1, 2, 3]
    assert made.attrs[NOTES] == [
        "tm-model: 2 of 6 mutants have no score; the first, M1W: bad",
    ]


def test_a_wrong_key_costs_one_answer():
    service = Service(lambda item: {"melting": 1.0, "ddg": 2.0})
    with pytest.raises(InputError, match=r"'tm': not in the answer; expected.*: ddg, melting"):
        saturate_remotely(settings(key="tm"), PARENT, service)
    assert len(service.items) == 1


@pytest.mark.parametrize("value", [None, True, "1.5", [1.0], float("nan"), 10**400])
def test_what_is_no_number_is_no_score(value):
    with pytest.raises(InputError, match="key 'x'"):
        saturate_remotely(settings(key="x"), PARENT, Service(lambda item: {"x": value}))


def test_an_answer_may_be_the_number_itself():
    made = saturate_remotely(settings(key="value", alphabet="W"), PARENT, Service(lambda item: 3))
    assert made["score"].tolist() == [3.0] * 3


def test_nothing_answered_is_an_error():
    everything = {PARENT[:i] + "W" + PARENT[i + 1 :] for i in range(3)}
    with pytest.raises(InputError, match="none of 3 items got a score; the first: bad"):
        saturate_remotely(settings(alphabet="W"), PARENT, Service(refuses=everything))


def test_mutations_are_asked_of_the_structure_in_its_own_numbers():
    service = Service(lambda item: {"ddg": len(item["mutations"])})
    params = settings(
        key="ddg", item_form="mutation", structure="x.pdb", alphabet="G", chain="B",
        first_residue=-1,
    )  # fmt: skip
    made = saturate_remotely(params, PARENT, service, PDB)
    assert made["mutations"].tolist() == ["M1G", "K2G", "V3G"]
    assert [item["mutations"] for item in service.items] == [["M-1G"], ["K0G"], ["V1G"]]
    assert all(item["pdb"] == PDB and item["chain"] == "B" for item in service.items)


def test_the_size_of_the_pieces_changes_nothing(monkeypatch):
    whole = saturate_remotely(settings(top=20), PARENT, Service())
    monkeypatch.setattr(remote_saturation, "CHUNK", 7)
    service = Service()
    assert saturate_remotely(settings(top=20), PARENT, service).equals(whole)
    assert [len(items) for items in service.asks] == [1, *[7] * 8]


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": ""},
        {"item_form": "mutation"},
        {"structure": "x.pdb"},
        {"item_form": "mutation", "structure": "x.pdb", "relative": True},
        {"alphabet": "AB"},
        {"top": 0},
        {"best": "largest"},
    ],
)
def test_wrong_settings_cannot_be_made(wrong):
    with pytest.raises(ValidationError):
        settings(**wrong)
