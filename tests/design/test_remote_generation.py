import math

import numpy as np
import pytest
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.design.generators import COLUMNS
from tasks.design.remote_generation import BiolmGenerate, generate_remotely
from tasks.design.remote_model import NOTES
from tasks.design.structure_text import as_pdb, structure_format

PARENT = "MKVLA"
PDB = "ATOM      1  N   MET A   1      38.198  19.582  27.998  1.00 11.51           N  \n"
CIF = """data_test
#
loop_
_atom_site.group_PDB
_atom_site.id
_atom_site.type_symbol
_atom_site.label_atom_id
_atom_site.label_alt_id
_atom_site.label_comp_id
_atom_site.label_asym_id
_atom_site.label_entity_id
_atom_site.label_seq_id
_atom_site.pdbx_PDB_ins_code
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
_atom_site.occupancy
_atom_site.B_iso_or_equiv
_atom_site.auth_seq_id
_atom_site.auth_comp_id
_atom_site.auth_asym_id
_atom_site.auth_atom_id
_atom_site.pdbx_PDB_model_num
ATOM 1 N N . MET A 1 1 ? 38.198 19.582 27.998 1.00 11.51 1 MET CHAIN N 1
"""


class Service:
    """Gives the same results to each request, or what a function of the request says."""

    def __init__(self, results, faults=()):
        self.results = results if callable(results) else lambda request: results
        self.faults = faults
        self.requests = []

    def generate(self, requests):
        self.requests = list(requests)
        faults = dict.fromkeys(self.faults, "HTTP 500")
        found = [None if i in faults else self.results(r) for i, r in enumerate(requests)]
        return found, faults


def settings(**given):
    return BiolmGenerate(model="mpnn", **{"from_parent": True, "count": 10, **given})


def made_of(results, parent=PARENT, structure=None, **given):
    service = results if isinstance(results, Service) else Service(results)
    given = {"count_param": "n", **given}
    return generate_remotely(
        settings(**given), parent, service, np.random.default_rng(1), structure
    )


def test_a_flat_list_gives_sequences_scores_and_numbers():
    entry = {"sequence": "mkvlw", "score": 1.5, "global_score": 2, "seq_recovery": 0.8}
    made = made_of([entry, {"sequence": "MKVLY*", "log_prob": -3.5, "perplexity": 4.0}])
    assert made["sequence"].tolist() == ["MKVLW", "MKVLY"]
    assert tuple(made.columns) == (
        *COLUMNS, "global_score", "seq_recovery", "log_prob", "perplexity"
    )  # fmt: skip
    assert made["mutations"].tolist() == ["A5W", "A5Y"]
    assert made["score"].tolist() == pytest.approx([1.5, math.nan], nan_ok=True)
    assert made["global_score"].tolist() == pytest.approx([2.0, math.nan], nan_ok=True)
    assert made["log_prob"].tolist() == pytest.approx([math.nan, -3.5], nan_ok=True)
    assert set(made["method"]) == {"biolm_generate"}
    assert made["temperature"].isna().all()
    assert made.attrs[NOTES] == []


@pytest.mark.parametrize(
    "results",
    [
        [{"sequences": [{"sequence": "AC"}, {"sequence": "AD"}]}],
        [[{"sequence": "AC"}], [{"sequence": "AD"}]],
        [[["AC", "AD"]]],
        ["AC", None, "AD"],
        [{"sequences": ["AC"]}, {"results": [{"sequence": "AD"}]}],
    ],
)
def test_answers_may_have_many_shapes(results):
    assert made_of(results)["sequence"].tolist() == ["AC", "AD"]


def test_chains_get_a_column_each_and_stand_joined_in_the_sequence():
    results = [{"sequences": [{"heavy": "evq", "light": "DIQ", "score": 1}, {"sequence": "EV/DI"}]}]
    made = made_of(results, chains=("heavy", "light"), numbers=())
    assert made["heavy"].tolist() == ["EVQ", "EV"]
    assert made["light"].tolist() == ["DIQ", "DI"]
    assert made["sequence"].tolist() == ["EVQ:DIQ", "EV:DI"]
    assert made["mutations"].tolist() == ["", ""]


def test_a_chain_of_the_parent_s_length_names_no_mutations():
    made = made_of(["AC:DE"], chains=("heavy", "light"))
    assert made["mutations"].tolist() == [""]


def test_what_is_no_new_sequence_is_left_out_and_counted():
    results = ["MKVLW", "MKVLX", "MKVXX", "MKVLW", PARENT.lower(), {"seq": "A"}, "", "A:C"]
    made = made_of(results)
    assert made["sequence"].tolist() == ["MKVLW"]
    (note,) = made.attrs[NOTES]
    assert note.startswith("mpnn: 7 answers are no new sequence: ")
    for said in (
        "2 times letter 'X'",
        "2 times the parent, or there already",
        "1 times no sequence among the keys seq",
        "1 times an empty sequence",
        "1 times letter ':', which parts chains: name these",
    ):
        assert said in note


def test_a_failed_request_leaves_the_others():
    service = Service(lambda request: [{"sequence": f"A{'ACD'[request.params['s'] % 3]}"}], {1})
    made = made_of(service, count=3, count_param=None, seed_param="s")
    assert 1 <= len(made) <= 2
    assert "1 times request failed: HTTP 500" in made.attrs[NOTES][0]


def test_nothing_new_is_an_error():
    with pytest.raises(InputError, match=r"no new sequence: 1 answers.*request failed: HTTP 500"):
        made_of(Service([], {0}))


def test_a_sweep_divides_the_count_and_fills_the_column():
    def results(request):
        first = "ACD"[[0.1, 0.5, 1.0].index(request.params["T"])]
        return [first + second for second in "ACDEFGHIKL"]

    service = Service(results)
    made = made_of(service, temperature=(0.1, 0.5, 1.0), temperature_param="T", count=8)
    assert made["temperature"].tolist() == [0.1] * 3 + [0.5] * 3 + [1.0] * 2
    assert [dict(request.params) for request in service.requests] == [
        {"T": 0.1, "n": 3}, {"T": 0.5, "n": 3}, {"T": 1.0, "n": 2},
    ]  # fmt: skip
    assert made["sequence"].str[0].tolist() == list("AAACCCDD")


def test_per_request_cuts_the_count():
    service = Service(["AC"])
    made_of(service, per_request=4)
    assert [request.params["n"] for request in service.requests] == [4, 4, 2]


def test_without_a_count_parameter_there_is_a_request_for_each_sequence():
    service = Service(["AC"])
    made_of(service, count_param=None)
    assert [dict(request.params) for request in service.requests] == [{}] * 10


def test_seeds_differ_between_requests_and_come_from_the_generator():
    first, second = Service(["AC"]), Service(["AC"])
    for service in (first, second):
        made_of(service, count_param=None, seed_param="seed")
    assert len({request.params["seed"] for request in first.requests}) == 10
    assert first.requests == second.requests


def test_the_parent_is_sent_in_upper_case():
    service = Service(["AC"])
    made_of(service, parent="mkvla", item_field="context")
    assert service.requests[0].item == {"context": "MKVLA"}


def test_a_sequence_is_sent_as_it_is():
    service = Service(["AC"])
    made_of(service, parent=None, from_parent=False, sequence="M<mask>k")
    assert service.requests[0].item == {"sequence": "M<mask>k"}


def test_a_structure_is_sent_as_pdb():
    service = Service(["AC"])
    params = BiolmGenerate(model="mpnn", structure="x.pdb", count=1)
    generate_remotely(params, None, service, np.random.default_rng(1), PDB)
    assert service.requests[0].item == {"pdb": PDB}


def test_mmcif_goes_to_a_field_that_takes_it():
    service = Service(["AC"])
    params = BiolmGenerate(model="mpnn", structure="x.cif", item_field="cif", count=1)
    generate_remotely(params, None, service, np.random.default_rng(1), CIF)
    assert service.requests[0].item == {"cif": CIF}
    with pytest.raises(InputError, match="structure: PDB; expected mmCIF"):
        generate_remotely(params, None, service, np.random.default_rng(1), PDB)


def test_mmcif_is_written_as_pdb():
    assert as_pdb(CIF.replace("CHAIN", "B")).splitlines()[0] == (
        "ATOM      1  N   MET B   1      38.198  19.582  27.998  1.00 11.51           N  "
    )


def test_mmcif_that_does_not_fit_into_pdb_is_refused():
    with pytest.raises(InputError, match="cannot be written as PDB"):
        as_pdb(CIF)


@pytest.mark.parametrize("text", ["", ">a\nMKV\n", "data_x\n_cell.length_a 1\n", '{"a": 1}'])
def test_what_is_no_structure_is_refused(text):
    with pytest.raises(InputError, match=r"^structure: "):
        structure_format(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"from_parent": False},
        {"structure": "x.pdb"},
        {"per_request": 3},
        {"temperature": ()},
        {"temperature": 0},
        {"temperature": (1.0, 1.0)},
        {"temperature": 1.0, "params": {"temperature": 2}},
        {"count_param": "n", "params": {"n": 2}},
        {"count_param": "n", "seed_param": "n"},
        {"chains": ("heavy", "heavy")},
        {"chains": ("score",)},
        {"numbers": ("digest",)},
        {"count": 0},
    ],
)
def test_wrong_settings_cannot_be_made(wrong):
    with pytest.raises(ValidationError):
        settings(**wrong)
