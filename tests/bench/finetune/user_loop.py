"""The loop that a user writes with transformers: one process, seconds of every step as one JSON line.

    python user_loop.py MODEL TSV TEXT PAIR LABEL steps batch pad(dynamic|full) threads precision(fp32|bf16)

TEXT, PAIR (may be empty) and LABEL are columns of the table.
"""
import json
import random
import resource
import sys
import time


def main():
    folder, table, text, pair, label, steps, batch, pad, threads, precision = sys.argv[1:]
    steps, batch, threads = int(steps), int(batch), int(threads)
    import torch
    import transformers

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    random.seed(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=2, attn_implementation="sdpa").train()
    with open(table, encoding="utf-8-sig") as lines:
        heading, *rows = [line.rstrip("\n").split("\t") for line in lines]
    text, label, pair = heading.index(text), heading.index(label), heading.index(pair) if pair else None
    random.shuffle(rows)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-5)
    seconds, tokens, longest = [], [], []
    for i in range(steps):
        part = rows[i * batch:(i + 1) * batch]
        start = time.perf_counter()
        pairs = [[row[pair] for row in part]] if pair is not None else []
        inputs = tokenizer([row[text] for row in part], *pairs, padding="max_length" if pad == "full" else True,
                           max_length=128, truncation=True, return_tensors="pt")
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = model(**inputs, labels=torch.tensor([int(row[label]) for row in part])).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        loss.item()
        seconds.append(time.perf_counter() - start)
        tokens.append(int(inputs["attention_mask"].sum()))
        longest.append(inputs["input_ids"].shape[1])
    print(json.dumps({"seconds": seconds, "tokens": tokens, "longest": longest,
                      "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                      "torch": torch.__version__, "transformers": transformers.__version__}))


if __name__ == "__main__":
    main()
