"""What early exits save in the batcher: engine time beside the arithmetic that was left out.

    python exits.py --data FOLDER --artifact FOLDER [--bin FOLDER] [--threshold X] [--rounds 5] [--trial]

FOLDER of --artifact is a classifier of texts with exits (deebert), as a job publishes it. SST-2's dev sentences, easy and
hard ones as they come, are asked over 32 connections in turns: as calibrated (or with --threshold), and with the lowest
threshold, at which no row leaves. The layers after which rows leave are the server's own answers; arithmetic is counted
from the artifact's shapes and the sentences' tokens. Results go to results/exits.json.
"""
import json
import pathlib
import statistics
import sys

from run import BENCH, Rival, say, take
from load import Failed, find_program, protocol_body, read_sentences, write_lines
from machine import commit, machine
from options import add_threads, parser_of
from servers import Broken, Espalier, ask

CONNECTIONS, GOAL = 32, 0.85  # engine time falls by at least this share of what the arithmetic does


def layer_macs(own, hidden, layer, tokens):
    """Multiply-adds of a layer for one row, with an exit behind it where there is one."""
    shape = own["layers"][layer]
    width = len(shape["heads"]) * own["head_dim"]
    total = tokens * (4 * hidden * width + 2 * hidden * shape["neurons"]) + 2 * tokens * tokens * width
    for head in own["heads"]:
        if head["layer"] == layer:
            total += hidden * head["width"] + head["width"] * head["outputs"]
    return total


def row_macs(config, tokens, depth):
    own, hidden = config["espalier"], config["hidden_size"]
    return sum(layer_macs(own, hidden, layer, tokens) for layer in range(depth))


def tokens_of(artifact, texts, limit):
    """Lengths by the artifact's own tokenizer; a word and a half a word where it has no tokenizer.json."""
    path = artifact / "tokenizer.json"
    if not path.exists():
        return [min(2 + len(text.split()) * 3 // 2, limit) for text in texts]
    import tokenizers
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    return [len(encoding.ids) for encoding in tokenizer.encode_batch(texts)]


def exit_layers(server, texts, parameters):
    found = []
    for text in texts:
        status, answer = ask(server.address, server.path, protocol_body(text, ("exit_layer",), **parameters))
        if status != 200:
            raise Broken(f"{status} to {text[:80]!r}: {answer}")
        found += json.loads(answer)["outputs"][0]["data"]
    return found


def properties(server):
    status, text = ask(server.address, f"/v2/models/{server.model}")
    known = json.loads(text).get("properties", {}) if status == 200 else {}
    if "exit_threshold_range" not in known:
        raise Broken("--artifact: it has no exits; train one with exits in its recipe")
    return known


def measure(server, program, options):
    texts = read_sentences(options.data / "sst2/dev.tsv")
    known = properties(server)
    low = float(known["exit_threshold_range"].split("..")[0])
    variants = {"exits": {"exit_threshold": options.threshold} if options.threshold is not None else {},
                "all layers": {"exit_threshold": low}}
    config = json.loads((options.artifact / "config.json").read_text())
    tokens = tokens_of(options.artifact, texts, int(known["max_length"]))
    out = {"threshold": options.threshold if options.threshold is not None else float(known["exit_threshold"]), "variants": {}}
    rivals = {}
    for name, parameters in variants.items():
        layers = exit_layers(server, texts, parameters)
        bodies = write_lines(options.work / f"exits_{name.replace(' ', '_')}.txt",
                             [protocol_body(text, ("label", "exit_layer"), **parameters) for text in texts])
        rivals[name] = Rival(name, server, "fp32", bodies)
        macs = sum(row_macs(config, length, layer) for length, layer in zip(tokens, layers)) / len(texts)
        out["variants"][name] = {"mean_exit_layer": statistics.mean(layers), "macs_a_row": macs, "turns": []}
    for number in range(options.rounds):
        for name, rival in rivals.items():
            turn = take(rival, program, None, options, connections=CONNECTIONS, seconds=options.seconds)
            turn["busy_ms_a_row"] = 1e3 * turn["busy"] / turn["goodput"] if turn["goodput"] else None
            out["variants"][name]["turns"].append(turn)
        say(f"round {number + 1} of {options.rounds}")
    return out


def ratio(out, key):
    """All layers over exits, turns of the same rounds."""
    pairs = zip(out["variants"]["all layers"]["turns"], out["variants"]["exits"]["turns"])
    each = [full[key] / early[key] for full, early in pairs if full.get(key) and early.get(key)]
    return {"median": round(statistics.median(each), 3), "min": round(min(each), 3), "max": round(max(each), 3)} if each else None


def judge(out):
    macs = out["variants"]["all layers"]["macs_a_row"] / out["variants"]["exits"]["macs_a_row"]
    busy = ratio(out, "busy_ms_a_row")
    throughput = ratio(out, "goodput")
    out |= {"mac_gain": round(macs, 3), "busy_gain": busy,
            "throughput_gain": throughput and {key: round(1 / value, 3) for key, value in
                                               (("median", throughput["median"]), ("min", throughput["max"]), ("max", throughput["min"]))},
            "goal": f"busy gain at least {GOAL:g} times the MAC gain", "met": bool(busy) and busy["median"] >= GOAL * macs}
    return out


def main():
    parser = parser_of(__doc__)
    parser.add_argument("--artifact", type=pathlib.Path, required=True)
    parser.add_argument("--threshold", type=float, help="of the exits; without it the calibrated one")
    add_threads(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--warm-up", type=float, default=2)
    parser.add_argument("--trial", action="store_true", help="one short round; nothing is written")
    options = parser.parse_args()
    if options.trial:
        options.rounds, options.seconds, options.warm_up = 1, 2, 0.5
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        program = find_program(options.bin)
        with Espalier(options.bin / "espalier-serve", options.work / "exits.log", "exits", artifact=options.artifact,
                      threads=options.threads) as server:
            out = judge(measure(server, program, options))
    except (Failed, Broken) as error:
        sys.exit(str(error))
    results = {"what": f"Early exits at {CONNECTIONS} connections, against the same artifact at full depth.", "machine": machine(),
               "commit": commit(), "threads": options.threads, **out}
    print(json.dumps(results, indent=1))
    if not options.trial:
        (BENCH / "results/exits.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
