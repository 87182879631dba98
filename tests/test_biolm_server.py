"""The fake service keeps what it promises; whoever tests against it relies on that."""

import contextlib
import gzip
import io
import json
import socket
import subprocess
import sys
import threading
import time
from functools import partial

import httpx
import numpy as np
import pytest
from Bio.PDB import MMCIFParser, PDBParser
from pydantic import BaseModel, Field, ValidationError

from tests import waiting
from tests.biolm_models import ALPHABET, MODELS, answer, ddg, key_of, logits, plddts
from tests.biolm_script import Status, throttled
from tests.biolm_server import BioLMServer

until = partial(waiting.until, seconds=5, pause=0.002)

TM = "temberture/predict"


def items(*sequences):
    return {"items": [{"sequence": sequence} for sequence in sequences]}


def ask(server, *sequences, endpoint=TM, timeout=5.0, **options):
    url = f"{server.url_v3}/{endpoint}/"
    return httpx.post(url, json=items(*sequences) | options, timeout=timeout)


def ask_hub(server, *sequences, endpoint=TM, **options):
    return httpx.post(f"{server.url_hub}/{endpoint}", json=items(*sequences) | options)


# answers


def test_both_dialects_say_what_answer_says_in_the_order_of_the_items(biolm_server):
    expected = [answer(TM, {"sequence": text}) for text in ("MKV", "MKA")]

    assert ask(biolm_server, "MKV", "MKA").json() == {"results": expected}
    assert ask_hub(biolm_server, "MKV", "MKA").json() == {"results": expected}
    assert expected[0] != expected[1]


def test_an_answer_depends_on_the_parameters(biolm_server):
    plain, heated = ask(biolm_server, "MKV"), ask(biolm_server, "MKV", params={"ph": 4})

    assert plain.json() != heated.json()
    assert heated.json()["results"] == [answer(TM, {"sequence": "MKV"}, {"ph": 4})]


@pytest.mark.parametrize("endpoint", MODELS)
def test_every_model_answers_on_the_hub(biolm_server, endpoint):
    item = {"sequence": "M<mask>V" if MODELS[endpoint].masks else "MKV"}
    if MODELS[endpoint].needs == "molecules":
        item = {"molecules": [{"id": "A", "sequence": "MKV"}]}
    params = {} if MODELS[endpoint].params == "forbidden" else {"params": {"x": 1}}

    reply = httpx.post(f"{biolm_server.url_hub}/{endpoint}", json={"items": [item], **params})

    expected = answer(endpoint, item, params.get("params"))
    assert reply.json()["results"] == (expected if MODELS[endpoint].flat else [expected])


def test_logits_are_the_same_in_another_order_and_between_two_ends():
    expected = logits("M<mask>V")
    plain = answer("esm2-8m/predict", {"sequence": "M<mask>V"})
    ends = answer("esm2-ends/predict", {"sequence": "M<mask>V"})

    assert plain["sequence_tokens"] == ["M", "<mask>", "V"]
    columns = [plain["vocab_tokens"].index(letter) for letter in ALPHABET]
    np.testing.assert_array_equal(np.float32(plain["logits"])[:, columns], expected)
    assert columns != sorted(columns)
    assert ends["sequence_tokens"] == ["<cls>", "M", "<mask>", "V", "<eos>"]
    columns = [ends["vocab_tokens"].index(letter) for letter in ALPHABET]
    np.testing.assert_array_equal(np.float32(ends["logits"])[1:-1, columns], expected)


@pytest.mark.parametrize(
    ("endpoint", "key", "parser"),
    [("esmfold/fold", "pdb", PDBParser), ("esmfold-cif/fold", "cif", MMCIFParser)],
)
def test_structures_can_be_read_and_hold_plddt(endpoint, key, parser):
    fold = answer(endpoint, {"sequence": "MKVW"})

    atoms = list(parser(QUIET=False).get_structure("x", io.StringIO(fold[key])).get_atoms())

    assert [atom.get_parent().resname for atom in atoms] == ["MET", "LYS", "VAL", "TRP"]
    assert [atom.bfactor for atom in atoms] == pytest.approx(plddts("MKVW"))
    assert fold["mean_plddt"] == pytest.approx(plddts("MKVW").mean())


def test_both_forms_of_mutations_hold_the_same_numbers():
    matrix = answer("spurs/predict", {"sequence": "MK"})["ddG_matrix"]
    listed = answer("thermompnn/predict", {"sequence": "MK"})

    assert (len(listed), matrix["residue_axis"]) == (38, ["M1", "K2"])
    for entry in listed:
        row = matrix["residue_axis"].index(entry["mutation"][:-1])
        column = matrix["amino_acid_axis"].index(entry["mutation"][-1])
        assert matrix["values"][row][column] == entry["ddg"] == ddg("MK", entry["mutation"])


def test_embedding_layers_have_the_dimension_asked_for(biolm_server):
    reply = ask(biolm_server, "MKV", endpoint="esm2-8m/encode", params={"dimension": 320})

    layers = reply.json()["results"][0]["embeddings"]
    assert [(entry["layer"], len(entry["embedding"])) for entry in layers] == [(5, 320), (6, 320)]


# limits and refusals


def test_both_dialects_tell_their_limits(biolm_server):
    biolm_server.script.batch_sizes[TM] = 7

    limits = httpx.get(f"{biolm_server.url_v3}/schema/{TM}/").json()
    openapi = httpx.get(f"{biolm_server.url}/openapi.json").json()

    assert limits["throttle_rate"] == "1000/second"
    assert limits["properties"]["items"]["maxItems"] == 7
    body = openapi["paths"][f"/api/v1/{TM}"]["post"]["requestBody"]["content"]
    name = body["application/json"]["schema"]["$ref"].removeprefix("#/components/schemas/")
    assert openapi["components"]["schemas"][name]["properties"]["items"]["maxItems"] == 7


def test_schema_may_be_missing_or_hang_or_refuse_tokens(biolm_server):
    url = f"{biolm_server.url_v3}/schema/{TM}/"
    biolm_server.script.schema = "no-tokens"
    assert httpx.get(url).status_code == 200
    assert httpx.get(url, headers={"Authorization": "Token one"}).status_code == 401
    biolm_server.script.schema = "missing"
    assert httpx.get(url).status_code == 404
    biolm_server.script.schema = "hangs"
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(url, timeout=0.05)


def test_bad_residues_are_named_by_each_dialect(biolm_server):
    hosted, hub = ask(biolm_server, "MKV", "MKX"), ask_hub(biolm_server, "MKV", "MKX")

    why = f"Residues can only be represented with '{ALPHABET}' characters"
    assert hosted.status_code == 400
    assert hosted.json() == {"error": {"items__1__sequence": [why]}, "status_code": 400}
    assert hub.status_code == 422
    assert [entry["loc"] for entry in hub.json()["detail"]] == [["body", "items", 1, "sequence"]]


def test_hub_refuses_too_many_items_as_pydantic_does(biolm_server):
    class Request(BaseModel):
        items: list[dict[str, str]] = Field(min_length=1, max_length=2)

    biolm_server.script.batch_size = 2

    for batch in (["A", "C", "D"], []):
        told = ask_hub(biolm_server, *batch)
        with pytest.raises(ValidationError) as refused:
            Request.model_validate(items(*batch))
        own = refused.value.errors(include_url=False)
        assert told.status_code == 422
        assert told.json()["detail"] == [
            error | {"loc": ["body", *error["loc"]]} for error in json.loads(json.dumps(own))
        ]


def test_hub_has_its_own_mind_about_params_and_masks(biolm_server):
    """Its request models forbid what they do not know, and ESM2 wants something to predict."""
    needed = ask_hub(biolm_server, "MKV", endpoint="thermompnn-flat/predict")
    useless = ask_hub(biolm_server, "M<mask>V", endpoint="esm2-8m/predict", params={})
    unmasked = ask_hub(biolm_server, "MKV", endpoint="esm2-8m/predict")

    problems = [reply.json()["detail"][0] for reply in (needed, useless, unmasked)]
    assert [(problem["type"], problem["loc"]) for problem in problems] == [
        ("missing", ["body", "params"]),
        ("extra_forbidden", ["body", "params"]),
        ("value_error", ["body", "items", 0, "sequence"]),
    ]
    assert ask(biolm_server, "MKV", endpoint="esm2-8m/predict").status_code == 200


def test_hub_redirects_a_trailing_slash_and_does_not_unzip(biolm_server):
    slash = httpx.post(f"{biolm_server.url_hub}/{TM}/", json=items("MKV"))
    zipped = {
        "content": gzip.compress(json.dumps(items("MKV")).encode()),
        "headers": {"Content-Encoding": "gzip"},
    }
    hub = httpx.post(f"{biolm_server.url_hub}/{TM}", **zipped)
    hosted = httpx.post(f"{biolm_server.url_v3}/{TM}/", **zipped)

    assert slash.status_code == 307
    assert slash.headers["location"] == f"{biolm_server.url_hub}/{TM}"
    assert (hub.status_code, hub.json()["detail"]) == (400, "There was an error parsing the body")
    assert hosted.json()["results"] == [answer(TM, {"sequence": "MKV"})]
    assert [call.gzipped for call in biolm_server.seen.calls] == [False, True, True]


def test_unknown_is_not_found(biolm_server):
    assert ask(biolm_server, "MKV", endpoint="no/model").status_code == 404
    assert ask_hub(biolm_server, "MKV", endpoint="no/model").json() == {"detail": "Not Found"}


def test_token_is_asked_for_and_can_be_revoked(biolm_server):
    biolm_server.script.token = "one"
    headers = {"Authorization": "Token one"}
    url = f"{biolm_server.url_v3}/{TM}/"

    assert ask(biolm_server, "MKV").status_code == 401
    assert httpx.post(url, json=items("MKV"), headers=headers).status_code == 200
    biolm_server.script.token = "two"
    assert httpx.post(url, json=items("MKV"), headers=headers).status_code == 401
    assert [call.headers.get("authorization") for call in biolm_server.seen.calls] == [
        None, "Token one", "Token one"
    ]  # fmt: skip


# faults


def test_faults_happen_once_each_and_in_order(biolm_server):
    biolm_server.script.next(throttled("2"), Status(503, {"detail": "busy"}), Status(502), "mixed")

    replies = [ask(biolm_server, "MKV") for _ in range(5)]

    assert [reply.status_code for reply in replies] == [429, 503, 502, 200, 200]
    assert replies[0].headers["retry-after"] == "2"
    assert replies[2].text.startswith("<html>")
    assert replies[3].json().keys() == {"results", "error"}
    assert replies[4].json().keys() == {"results"}


def test_fault_for_one_endpoint_spares_the_others(biolm_server):
    biolm_server.script.next(Status(503), endpoint="esm2-8m/score")

    assert ask(biolm_server, "MKV").status_code == 200
    assert biolm_server.script.pending == 1
    assert ask(biolm_server, "MKV", endpoint="esm2-8m/score").status_code == 503


def test_answers_can_be_too_short_too_long_or_no_json(biolm_server):
    biolm_server.script.next("short", "long", "not-json")

    short, long, page = (ask(biolm_server, "MKV", "MKA") for _ in range(3))

    assert (len(short.json()["results"]), len(long.json()["results"])) == (1, 3)
    assert (page.status_code, page.text[:6]) == (200, "<html>")


@pytest.mark.parametrize(
    ("fault", "error", "timeout"),
    [
        ("reset", httpx.ReadError, 5),
        ("cut", httpx.RemoteProtocolError, 5),
        ("hang", httpx.ReadTimeout, 0.1),
    ],
)
def test_connection_can_break(biolm_server, fault, error, timeout):
    biolm_server.script.next(fault)

    with pytest.raises(error):
        ask(biolm_server, "MKV", timeout=timeout)

    assert ask(biolm_server, "MKV").status_code == 200
    assert biolm_server.seen.answered == {"MKV": 1}
    assert biolm_server.seen.items == {"MKV": 2}


def test_body_can_trickle_past_any_read_timeout(biolm_server):
    biolm_server.script.next("trickle")
    start = time.monotonic()

    reply = ask(biolm_server, "MKV", timeout=0.3)

    assert reply.json()["results"] == [answer(TM, {"sequence": "MKV"})]
    assert time.monotonic() - start > 0.4


def test_items_can_spoil_their_batch_or_their_entry(biolm_server):
    script = biolm_server.script
    script.items |= {"A": "named", "C": "unnamed", "D": "crash", "E": "error", "F": "null"}

    assert list(ask(biolm_server, "M", "A").json()["error"]) == ["items__1__sequence"]
    assert ask_hub(biolm_server, "M", "A").json()["detail"][0]["loc"][2] == 1
    assert isinstance(ask(biolm_server, "M", "C").json()["error"], str)
    assert ask_hub(biolm_server, "M", "C").json()["code"] == "user.validation"
    assert ask(biolm_server, "M", "D").status_code == 500
    entries = ask(biolm_server, "E", "M", "F").json()["results"]
    good = answer(TM, {"sequence": "M"})
    assert entries == [{"error": "no result for this item"}, good, None]


def test_outage_lasts_until_it_is_over(biolm_server):
    biolm_server.script.outage = Status(503)
    assert [ask(biolm_server, "M").status_code for _ in range(3)] == [503] * 3
    biolm_server.script.outage = None
    assert ask(biolm_server, "M").status_code == 200


def test_requests_above_the_rate_are_throttled(biolm_server):
    biolm_server.script.per_second, biolm_server.script.retry_after = 2, "1"

    replies = [ask(biolm_server, "M") for _ in range(3)]

    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[2].headers["retry-after"] == "1"


def test_requests_above_the_number_in_flight_are_throttled(biolm_server):
    biolm_server.script.most_in_flight, biolm_server.script.latency_s = 1, 2.0
    slow = threading.Thread(target=ask, args=(biolm_server, "M"))
    slow.start()
    until(lambda: biolm_server.seen.in_flight == 1)

    assert ask(biolm_server, "A").status_code == 429

    slow.join()
    assert biolm_server.seen.most_in_flight == 2
    assert biolm_server.seen.statuses == {200: 1, 429: 1}


def test_answers_are_compressed_on_order(biolm_server):
    biolm_server.script.compress = True

    reply = ask(biolm_server, "M" * 200, endpoint="disorder/predict")

    assert reply.headers["content-encoding"] == "gzip"
    assert len(reply.json()["results"][0]["disorder"]) == 200


# records


def test_a_client_that_goes_leaves_an_aborted_request_and_nothing_in_flight(biolm_server):
    biolm_server.script.latency_s = 30
    with contextlib.suppress(httpx.ReadTimeout):
        ask(biolm_server, "M", timeout=0.05)

    seen = biolm_server.seen
    until(lambda: seen.in_flight == 0)
    assert (seen.aborted, seen.statuses, seen.calls[0].aborted) == (1, {0: 1}, True)
    until(lambda: seen.connections == 0)


def test_open_connections_are_counted(biolm_server):
    with httpx.Client() as client:
        client.get(biolm_server.url)
        assert biolm_server.seen.connections == 1
    until(lambda: biolm_server.seen.connections == 0)


def test_items_that_are_more_than_a_sequence_are_recorded_by_all_they_hold(biolm_server):
    pair = {"light": "MA", "heavy": "MK"}

    httpx.post(f"{biolm_server.url_v3}/antifold/generate/", json={"items": [pair]})

    assert key_of(pair) == '{"heavy":"MK","light":"MA"}'
    assert biolm_server.seen.answered == {key_of(pair): 1}


# the server


def test_killed_server_comes_back_on_its_port():
    with BioLMServer() as server:
        port, server.script.latency_s = server.port, 30
        broken = []

        def waiting():
            try:
                ask(server, "M", timeout=10)
            except httpx.TransportError as error:
                broken.append(error)

        thread = threading.Thread(target=waiting)
        thread.start()
        until(lambda: server.seen.in_flight == 1)
        server.stop()
        thread.join(5)
        assert [type(error) for error in broken] == [httpx.ReadError]
        with pytest.raises(httpx.ConnectError):
            ask(server, "M")
        server.script.latency_s = 0
        server.start()

        assert server.port == port
        assert ask(server, "M").status_code == 200
        assert server.seen.in_flight == 0


def test_small_answers_do_not_wait_for_the_clients_acknowledgement(biolm_server):
    """Without TCP_NODELAY each answer on a kept connection takes 40 ms."""
    with httpx.Client() as client:
        url = f"{biolm_server.url_v3}/{TM}/"
        client.post(url, json=items("M"))
        start = time.monotonic()
        for _ in range(20):
            client.post(url, json=items("M"))

    assert time.monotonic() - start < 0.5


def test_http2_is_spoken_over_tls(http2_server):
    with httpx.Client(http2=True, verify=http2_server.client_tls()) as client:
        reply = client.post(f"{http2_server.url_v3}/{TM}/", json=items("MKV"))

    assert reply.http_version == "HTTP/2"
    assert reply.json()["results"] == [answer(TM, {"sequence": "MKV"})]
    assert http2_server.seen.calls[0].http_version == "2"


def test_http2_notices_a_client_that_goes(http2_server):
    http2_server.script.latency_s = 30
    tls, url = http2_server.client_tls(), f"{http2_server.url_v3}/{TM}/"
    with (
        httpx.Client(http2=True, verify=tls, timeout=0.2) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.post(url, json=items("MKV"))

    until(lambda: http2_server.seen.in_flight == 0)
    assert http2_server.seen.aborted == 1


def test_as_a_program_it_prints_its_port():
    argv = [sys.executable, "-m", "tests.biolm_server", "--latency", "0.1", "--batch", "4"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = f"http://127.0.0.1:{int(process.stdout.readline())}"
            start = time.monotonic()
            reply = httpx.post(f"{url}/api/v3/{TM}/", json=items("M"))
            took_s = time.monotonic() - start
            seen = httpx.get(f"{url}/seen").json()
        finally:
            process.terminate()

    assert reply.json()["results"] == [answer(TM, {"sequence": "M"})]
    assert took_s > 0.1
    assert seen["requests"] == {TM: 1}


def test_nothing_listens_after_the_end():
    with BioLMServer() as server:
        pass
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0
