"""What the models of the stand-in BioLM service say: functions of the item and nothing else."""

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson
from Bio.Data.IUPACData import protein_letters_1to3
from numpy.typing import NDArray

ALPHABET = "ACDEFGHIKLMNPQRSTVWY"
ESM_ORDER = "LAGVSERTIDPKQNFYMHWC"
"""Order of the residues in an ESM vocabulary: not that of `ALPHABET`."""
SPECIAL_BEFORE, SPECIAL_AFTER = ["<cls>", "<pad>", "<eos>", "<unk>"], ["X", "B", "-", "<mask>"]
MASK = "<mask>"
LAYERS = (5, 6)
DIMENSION = 8
RESIDUES_ONLY = f"Residues can only be represented with '{ALPHABET}' characters"

THREE = {letter: name.upper() for letter, name in protein_letters_1to3.items()}

Item = Mapping[str, Any]
Params = Mapping[str, Any]


def key_of(item: Item) -> str:
    """Name under which an item is scripted and recorded: its sequence, or all of it as JSON."""
    if len(item) == 1 and "sequence" in item:
        return str(item["sequence"])
    return orjson.dumps(item, option=orjson.OPT_SORT_KEYS).decode()


def unit(*parts: object) -> float:
    """A number in [0, 1) that depends on the texts alone."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def spread(count: int, *parts: object) -> NDArray[np.float32]:
    """`count` different numbers in [0, 1) that depend on the texts alone."""
    numbers = unit(*parts) + np.arange(count) * 0.6180339887498949
    return (numbers % 1.0).astype(np.float32)


def logits(sequence: str) -> NDArray[np.float32]:
    """Logits of a masked model in the order of `ALPHABET`; shape (tokens, 20)."""
    tokens = re.findall(r"<mask>|.", sequence)
    values = 4 * spread(len(tokens) * 20, "logits", sequence).reshape(len(tokens), 20) - 2
    for place, token in enumerate(tokens):
        if token != MASK:
            values[place, ALPHABET.index(token)] += 3
    return values


def _seed(item: Item, params: Params) -> str:
    return key_of(item) + (
        orjson.dumps(params, option=orjson.OPT_SORT_KEYS).decode() * bool(params)
    )


def _temperature(item: Item, params: Params) -> Any:
    return {"melting_temperature": 30 + 60 * unit("tm", _seed(item, params))}


def _embed(item: Item, params: Params) -> Any:
    dimension = int(params.get("dimension", DIMENSION))
    text = key_of(item)
    return {
        "embeddings": [
            {"layer": layer, "embedding": 2 * spread(dimension, layer, text) - 1}
            for layer in LAYERS
        ]
    }


def _masked(item: Item, params: Params) -> Any:
    """Rows for the residues, columns for the residues."""
    order = [ALPHABET.index(letter) for letter in ESM_ORDER]
    return {
        "logits": logits(item["sequence"])[:, order].copy(),
        "sequence_tokens": re.findall(r"<mask>|.", item["sequence"]),
        "vocab_tokens": list(ESM_ORDER),
    }


def _masked_with_ends(item: Item, params: Params) -> Any:
    """Two rows more, for the beginning and the end, and columns for special tokens."""
    plain = _masked(item, params)
    before, after = len(SPECIAL_BEFORE), len(SPECIAL_AFTER)
    return {
        "logits": np.pad(plain["logits"], ((1, 1), (before, after)), constant_values=9.0),
        "sequence_tokens": ["<cls>", *plain["sequence_tokens"], "<eos>"],
        "vocab_tokens": [*SPECIAL_BEFORE, *ESM_ORDER, *SPECIAL_AFTER],
    }


def _disorder(item: Item, params: Params) -> Any:
    return {"disorder": spread(len(item["sequence"]), "disorder", item["sequence"])}


def _score(item: Item, params: Params) -> Any:
    return {"log_prob": -100 * unit("score", _seed(item, params))}


def plddts(sequence: str) -> NDArray[np.float64]:
    """pLDDT of each residue [0-100], two decimals as in a B-factor column."""
    return np.round(50 + 50 * spread(len(sequence), "plddt", sequence).astype(float), 2)


def _fold(item: Item, params: Params) -> Any:
    sequence = item["sequence"]
    lines = [
        f"ATOM  {n:5d}  CA  {THREE[letter]} A{n:4d}    "
        f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00{b:6.2f}           C"
        for n, letter, (x, y, z), b in _alpha_carbons(sequence)
    ]
    return {
        "pdb": "\n".join([*lines, "TER   ", "END   ", ""]),
        "mean_plddt": float(plddts(sequence).mean()),
    }


def _fold_cif(item: Item, params: Params) -> Any:
    return {
        "cif": _cif(item["sequence"]),
        "mean_plddt": float(plddts(item["sequence"]).mean()),
    }


def _cofold(item: Item, params: Params) -> Any:
    chains = [chain.get("sequence", "") for chain in item["molecules"]]
    score = unit("confidence", _seed(item, params))
    return {"cif": _cif("".join(chains)), "confidence": {"confidence_score": score}}


def _cif(sequence: str) -> str:
    columns = (
        *("group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id"),
        *("label_asym_id", "label_seq_id", "pdbx_PDB_ins_code", "Cartn_x", "Cartn_y", "Cartn_z"),
        *("occupancy", "B_iso_or_equiv", "auth_seq_id", "auth_asym_id", "pdbx_PDB_model_num"),
    )
    head = ["data_model", "#", "loop_", *(f"_atom_site.{column}" for column in columns)]
    atoms = [
        f"ATOM {n} C CA . {THREE[letter]} A {n} ? {x:.3f} {y:.3f} {z:.3f} 1.00 {b:.2f} {n} A 1"
        for n, letter, (x, y, z), b in _alpha_carbons(sequence)
    ]
    return "\n".join([*head, *atoms, "#", ""])


def _alpha_carbons(sequence: str) -> Iterator[tuple[int, str, tuple[float, float, float], float]]:
    """An ideal helix: 100 degrees and 1.5 Å per residue."""
    for place, (letter, plddt) in enumerate(zip(sequence, plddts(sequence), strict=True)):
        turn = math.radians(100) * place
        position = (2.3 * math.cos(turn), 2.3 * math.sin(turn), 1.5 * place)
        yield place + 1, letter, position, float(plddt)


def ddg(sequence: str, mutation: str) -> float:
    """Change of free energy by one mutation, such as A12G [kcal/mol]; of none to itself: 0."""
    return 0.0 if mutation[0] == mutation[-1] else 6 * unit("ddg", sequence, mutation) - 3


def _ddg_matrix(item: Item, params: Params) -> Any:
    sequence = item["sequence"]
    rows = [f"{letter}{place}" for place, letter in enumerate(sequence, 1)]
    values = [[ddg(sequence, row + letter) for letter in ALPHABET] for row in rows]
    axes = {"residue_axis": rows, "amino_acid_axis": list(ALPHABET)}
    return {"ddG_matrix": {"values": values, **axes}}


def _ddg_list(item: Item, params: Params) -> Any:
    """Of the mutations asked for, or of all."""
    sequence = str(item.get("sequence") or _sequence_of(item.get("pdb", "")))
    mutations = item.get("mutations") or [
        f"{letter}{place}{other}"
        for place, letter in enumerate(sequence, 1)
        for other in ALPHABET
        if other != letter
    ]
    return [{"mutation": mutation, "ddg": ddg(sequence, mutation)} for mutation in mutations]


def _sequence_of(pdb: str) -> str:
    """The residues that have a C-alpha."""
    one = {three: letter for letter, three in THREE.items()}
    atoms = (line for line in pdb.splitlines() if line.startswith("ATOM") and line[13:15] == "CA")
    return "".join(one[line[17:20]] for line in atoms)


def _designs(item: Item, params: Params, name: str = "sequence") -> list[tuple[str, float]]:
    """Sequences of 12 residues with their scores."""
    seed = _seed(item, params)
    count = int(params.get("num_sequences", params.get("batch_size", 2)))
    texts = [f"{name} {number} {seed}" for number in range(count)]
    return [(_random_protein(12, text), unit(text)) for text in texts]


def _random_protein(length: int, text: str) -> str:
    return "".join(ALPHABET[byte % 20] for byte in hashlib.shake_128(text.encode()).digest(length))


def _inverse_fold(item: Item, params: Params) -> Any:
    """Several entries of `results` for one item."""
    return [
        {"sequence": text, "score": score, "global_score": score + 1, "seq_recovery": score / 2}
        for text, score in _designs(item, params)
    ]


def _antibodies(item: Item, params: Params) -> Any:
    pairs = zip(_designs(item, params, "heavy"), _designs(item, params, "light"), strict=True)
    return {
        "sequences": [
            {"heavy": heavy, "light": light, "global_score": score}
            for (heavy, score), (light, _) in pairs
        ]
    }


def _diffuse(item: Item, params: Params) -> Any:
    return [
        {"sequence": text, "log_prob": -score, "perplexity": 1 + score}
        for text, score in _designs(item, params)
    ]


@dataclass(frozen=True, slots=True)
class Model:
    """One action of one model."""

    answer: Callable[[Item, Params], Any]
    needs: str = "sequence"
    """Field without which an item is refused; "": none."""
    masks: bool = False
    """Sequences may hold `<mask>`; on the hub they must."""
    flat: bool = False
    """The answer to an item is several entries of `results`."""
    states_limit: bool = True
    """Its schema tells the batch size."""
    params: Literal["optional", "required", "forbidden"] = "optional"
    """What the hub says of `params`; the hosted service is not so strict."""


MODELS: dict[str, Model] = {
    "temberture/predict": Model(_temperature),
    "esm2-8m/encode": Model(_embed),
    "esm2-8m/predict": Model(_masked, masks=True, params="forbidden"),
    "esm2-8m/score": Model(_score),
    "esm2-8m/log_prob": Model(_score, params="forbidden"),
    "esm2-ends/predict": Model(_masked_with_ends, masks=True),
    "disorder/predict": Model(_disorder, states_limit=False),
    "esmfold/predict": Model(_fold),
    "esmfold/fold": Model(_fold),
    "esmfold-cif/fold": Model(_fold_cif),
    "spurs/predict": Model(_ddg_matrix),
    "thermompnn/predict": Model(_ddg_list, needs=""),
    "thermompnn-flat/predict": Model(_ddg_list, needs="", flat=True, params="required"),
    "protein-mpnn/generate": Model(_inverse_fold, needs="", flat=True),
    "antifold/generate": Model(_antibodies, needs=""),
    "dsm/generate": Model(_diffuse, needs=""),
    "boltz2/predict": Model(_cofold, needs="molecules"),
    "boltz2/fold": Model(_cofold, needs="molecules"),
}
"""Endpoint -> what it does.  `thermompnn-flat` is how the hub's ThermoMPNN answers."""


def answer(endpoint: str, item: Item, params: Params | None = None) -> Any:
    """What the server says of one item, as it comes out of JSON.

    Args:
        endpoint: Model and action, such as `esm2-8m/encode`.
    """
    return orjson.loads(dumps(MODELS[endpoint].answer(item, params or {})))


def dumps(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
