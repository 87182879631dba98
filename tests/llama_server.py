"""llama.cpp's own server on loopback, with a tiny model of random weights that is made here.

    python -m tests.llama_server MODEL PORT [--embeddings] [--key KEY]

What it says is noise, but all else is real: tokens, counts, limits, JSON schemas, errors.
"""

import argparse
import threading
from pathlib import Path

import numpy as np

WIDTH, INNER, LAYERS, HEADS, CONTEXT = 64, 128, 2, 4, 2048
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def write_tiny_model(path: Path) -> None:
    """A llama of two layers with a vocabulary of bytes, seed 0; half a megabyte."""
    import gguf

    writer = gguf.GGUFWriter(str(path), "llama")
    names = [b"<unk>", b"<s>", b"</s>", *(f"<0x{byte:02X}>".encode() for byte in range(256))]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * 256
    for code in range(32, 127):
        names.append(chr(code).replace(" ", "\u2581").encode())
        kinds.append(gguf.TokenType.NORMAL)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(names))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(names)
    writer.add_token_scores([0.0] * len(names))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)
    for name, weights in _weights(len(names)).items():
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _weights(vocabulary: int) -> dict[str, "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"]:
    random, ones = np.random.default_rng(0), np.ones(WIDTH, dtype=np.float32)
    square, shapes = (WIDTH, WIDTH), {"token_embd": (vocabulary, WIDTH)}
    shapes["output"] = (vocabulary, WIDTH)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        shapes |= {f"{block}.attn_{part}": square for part in ("q", "k", "v", "output")}
        shapes |= {f"{block}.ffn_gate": (INNER, WIDTH), f"{block}.ffn_up": (INNER, WIDTH)}
        shapes[f"{block}.ffn_down"] = (WIDTH, INNER)
    found = {
        f"{name}.weight": (0.2 * random.standard_normal(shape)).astype(np.float32)
        for name, shape in shapes.items()
    }
    norms = ["output_norm", *(f"blk.{n}.{k}_norm" for n in range(LAYERS) for k in ("attn", "ffn"))]
    return found | {f"{name}.weight": ones for name in norms}


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--embeddings", action="store_true")
    parser.add_argument("--key", default="")
    given = parser.parse_args()

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(given.model)
    params.model_alias = {"tiny"}
    params.hostnames = ["127.0.0.1"]
    params.port = given.port
    params.n_ctx = 4096
    params.n_parallel = 2
    params.n_gpu_layers = 0
    params.warmup = False
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.embedding = given.embeddings
    if given.embeddings:
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    if given.key:
        params.api_keys = [given.key]
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201 -- a program's output
    threading.Event().wait()


if __name__ == "__main__":
    main()
