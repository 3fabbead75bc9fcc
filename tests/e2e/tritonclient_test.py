"""An unmodified tritonclient against a running espalier-serve.

    tritonclient_test.py --address 127.0.0.1:7420 --model reviews --cli build/release/bin/espalier

Live, ready, metadata; texts and ids; eight threads at once, whose answers must equal the same requests
made alone; and the same texts through `espalier predict`. Exit code 1 with what differs.
Needs the pinned packages of requirements.txt (tritonclient[grpc], numpy).
"""
import argparse
import concurrent.futures
import json
import subprocess
import sys

import numpy as np
import tritonclient.grpc as triton

TEXTS = [
    "a warm and funny film",
    "an endless, clumsy bore",
    "I did not like it at first, and then I did.",
    "",
    "naïve café – 10/10 \U0001f600",
    "the plot thickens; nobody stirs",
    "two hours of my life that I want back, however well it was photographed and however fine the music was",
    "fresh",
]
OUTPUTS = {"logits": "FP32", "probabilities": "FP32", "label": "BYTES", "exit_layer": "INT32", "confidence": "FP32"}
THREADS, ROUNDS = 8, 10
# Texts in a crowd share matrix products with others; sums may round in another order.
TOLERANCE = 1e-5


class Difference(Exception):
    """What was expected and what came instead."""


def require(condition, message):
    if not condition:
        raise Difference(message)


def text_input(texts, shape):
    tensor = triton.InferInput("text", shape, "BYTES")
    tensor.set_data_from_numpy(np.array([text.encode() for text in texts], dtype=np.object_).reshape(shape))
    return [tensor]


def id_input(rows, datatype):
    """Right-padded ids of `rows` with their mask."""
    width = max(map(len, rows))
    dtype = {"INT64": np.int64, "INT32": np.int32}[datatype]
    ids, mask = np.zeros((len(rows), width), dtype), np.zeros((len(rows), width), dtype)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    tensors = []
    for name, values in (("input_ids", ids), ("attention_mask", mask)):
        tensors.append(triton.InferInput(name, values.shape, datatype))
        tensors[-1].set_data_from_numpy(values)
    return tensors


def answers(result):
    values = {name: result.as_numpy(name) for name in OUTPUTS}
    for name, value in values.items():
        require(value is not None, f"the response has no output {name}")
    return values


def row_of(values, i):
    return {name: value[i : i + 1] for name, value in values.items()}


def compare(what, left, right):
    for name in OUTPUTS:
        a, b = left[name], right[name]
        require(a.shape == b.shape, f"{what}: {name} has shape {a.shape} and {b.shape}")
        if OUTPUTS[name] == "FP32":
            apart = float(np.max(np.abs(a - b), initial=0))
            require(apart <= TOLERANCE, f"{what}: {name} is {apart:.2g} apart, allowed {TOLERANCE:.0e}: {a} and {b}")
        else:
            require((a == b).all(), f"{what}: {name} is {a} and {b}")


def check_metadata(client, model):
    require(client.is_server_live(), "the server is not live")
    require(client.is_server_ready(), "the server is not ready")
    require(client.is_model_ready(model), f"model {model} is not ready")
    require(not client.is_model_ready(model + "-that-nobody-serves"), "an unknown model is ready")
    server = client.get_server_metadata()
    require(server.name == "espalier", f"the server calls itself {server.name!r}")
    metadata = client.get_model_metadata(model)
    found = {tensor.name: tensor.datatype for tensor in metadata.outputs}
    require(found == OUTPUTS, f"the model's outputs are {found}")
    require(len(metadata.versions) > 0, "the model has no version")
    config = client.get_model_config(model).config
    require(config.name == model and config.max_batch_size > 0, f"odd model configuration: {config}")
    index = client.get_model_repository_index()
    states = {entry.name: entry.state for entry in index.models}
    require(states.get(model) == "READY", f"the repository index says {states}")


def check_texts(client, model):
    """Alone, as a list and as a column; returns what each text gets alone."""
    alone = [answers(client.infer(model, text_input([text], [1]))) for text in TEXTS]
    for shape in ([len(TEXTS)], [len(TEXTS), 1]):
        together = answers(client.infer(model, text_input(TEXTS, shape)))
        for i, text in enumerate(TEXTS):
            compare(f"{text!r} alone and in {shape}", alone[i], row_of(together, i))
    for values in alone:
        row = values["probabilities"][0]
        require(abs(row.sum() - 1) < 1e-4, f"probabilities {row} do not add up to 1")
        require(values["exit_layer"][0] >= 1, f"exit layer {values['exit_layer'][0]}")
    result = client.infer(model, text_input(TEXTS, [len(TEXTS)]), request_id="17",
                          outputs=[triton.InferRequestedOutput("label")])
    response = result.get_response()
    require(response.id == "17", f"the request id came back as {response.id!r}")
    require([output.name for output in response.outputs] == ["label"], "one output was asked for, others came")
    require("truncated" in response.parameters, "the response does not say whether a text was cut")
    require(response.model_version != "", "the response names no version")
    return alone


def check_ids(client, model):
    """Ids of both widths, padded or alone. 101 and 102 are BERT's [CLS] and [SEP]; any ids would do."""
    vocabulary_is_small = False
    rows = [[101, 7592, 102], [101, 2023, 2003, 2019, 2742, 102], [101, 102]]
    try:
        client.infer(model, id_input(rows, "INT64"))
    except triton.InferenceServerException as error:
        vocabulary_is_small = "token ids are 0 to" in str(error)
        require(vocabulary_is_small, f"ids are refused: {error}")
    if vocabulary_is_small:
        rows = [[2, 7, 3], [2, 5, 6, 7, 8, 3], [2, 3]]
    padded = {datatype: answers(client.infer(model, id_input(rows, datatype))) for datatype in ("INT64", "INT32")}
    compare("ids as INT64 and INT32", padded["INT64"], padded["INT32"])
    for i, row in enumerate(rows):
        compare(f"ids {row} alone and padded", answers(client.infer(model, id_input([row], "INT64"))),
                row_of(padded["INT64"], i))


def check_crowd(address, model, alone):
    def ask(thread):
        with triton.InferenceServerClient(address) as client:
            for turn in range(ROUNDS):
                i = (thread + turn) % len(TEXTS)
                compare(f"{TEXTS[i]!r} alone and among {THREADS} threads", alone[i],
                        answers(client.infer(model, text_input([TEXTS[i]], [1]))))

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(ask, thread) for thread in range(THREADS)]:
            future.result()


def check_cli(cli, address, model, alone):
    chosen = [i for i, text in enumerate(TEXTS) if text]  # a shell user asks for no empty text
    done = subprocess.run([cli, "predict", model, *(TEXTS[i] for i in chosen), "--output", "json",
                           "--inference-address", address], capture_output=True, text=True)
    require(done.returncode == 0, f"espalier predict failed: {done.stderr}")
    predictions = json.loads(done.stdout)["predictions"]
    require(len(predictions) == len(chosen), f"espalier predict gave {len(predictions)} rows for {len(chosen)}")
    for i, row in zip(chosen, predictions):
        told = {"logits": np.array([row["logits"]], np.float32),
                "probabilities": np.array([row["probabilities"]], np.float32),
                "label": np.array([row["label"].encode()], np.object_),
                "exit_layer": np.array([row["exit_layer"]], np.int32),
                "confidence": np.array([row["confidence"]], np.float32)}
        compare(f"{TEXTS[i]!r} by tritonclient and by espalier predict", alone[i], told)


def check_refusals(client, model):
    cases = {
        "an unknown model": ("NOT_FOUND", model + "-that-nobody-serves", {}),
        "a misspelt parameter": ("INVALID_ARGUMENT", model, {"parameters": {"exit_treshold": 0.5}}),
        "an unknown output": ("INVALID_ARGUMENT", model, {"outputs": [triton.InferRequestedOutput("logit")]}),
    }
    for what, (code, name, options) in cases.items():
        try:
            client.infer(name, text_input(["a"], [1]), **options)
        except triton.InferenceServerException as error:
            require(code in str(error.status()), f"{what} is answered with {error}")
        else:
            raise Difference(f"{what} is accepted")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="127.0.0.1:7420")
    parser.add_argument("--model", required=True)
    parser.add_argument("--cli", help="the espalier program; without it predict is not compared")
    options = parser.parse_args()
    try:
        with triton.InferenceServerClient(options.address) as client:
            check_metadata(client, options.model)
            alone = check_texts(client, options.model)
            check_ids(client, options.model)
            check_refusals(client, options.model)
        check_crowd(options.address, options.model, alone)
        if options.cli:
            check_cli(options.cli, options.address, options.model, alone)
    except (Difference, triton.InferenceServerException) as error:
        sys.exit(f"tritonclient_test: {error}")
    print(f"tritonclient: {len(TEXTS)} texts, ids, {THREADS} threads"
          + (", espalier predict" if options.cli else "") + ": all equal")


if __name__ == "__main__":
    main()
