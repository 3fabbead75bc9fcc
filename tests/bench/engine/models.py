"""Writes the folder that every engine loads: weights and head are the same for all.

    python models.py minilm|base SOURCE OUT

SOURCE is the MiniLM folder: its weights are those of "minilm", its tokenizer is both models'. "base" has the shape of
bert-base-uncased and random weights. The head is fresh, of a fixed seed.
"""
import json
import pathlib
import shutil
import sys

TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"]


def build(name, source):
    import torch
    from transformers import BertConfig, BertForSequenceClassification
    torch.manual_seed(0)
    if name == "base":
        model = BertForSequenceClassification(BertConfig(num_labels=2))
    else:
        model = BertForSequenceClassification.from_pretrained(source, num_labels=2)
    # Logits of about 1, so that an error in them says something; the usual 0.02 makes them ten times smaller.
    torch.nn.init.normal_(model.classifier.weight, std=2 / model.config.hidden_size**0.5)
    return model


def write(name, source, out):
    aside = out.with_name(out.name + ".new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    build(name, source).save_pretrained(aside)
    config = json.loads((aside / "config.json").read_text())
    config["position_embedding_type"] = "absolute"  # transformers 5 leaves it out, CTranslate2's converter reads it
    (aside / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    for file in TOKENIZER:
        if (source / file).exists():
            shutil.copy(source / file, aside)
    aside.replace(out)


if __name__ == "__main__":
    write(sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
