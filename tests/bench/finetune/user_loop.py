"""The loop that a user writes with transformers: one process, seconds of every step as one JSON line.

    python user_loop.py MODEL TSV steps batch pad(dynamic|full) threads precision(fp32|bf16)
"""
import json
import random
import resource
import sys
import time


def main():
    folder, table, steps, batch, pad, threads, precision = sys.argv[1:]
    steps, batch, threads = int(steps), int(batch), int(threads)
    import torch
    import transformers

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    random.seed(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=2, attn_implementation="sdpa").train()
    with open(table, encoding="utf-8") as lines:
        rows = [line.rstrip("\n").rsplit("\t", 1) for line in lines][1:]
    random.shuffle(rows)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-5)
    seconds, tokens, longest = [], [], []
    for i in range(steps):
        part = rows[i * batch:(i + 1) * batch]
        start = time.perf_counter()
        inputs = tokenizer([row[0] for row in part], padding="max_length" if pad == "full" else True, max_length=128,
                           truncation=True, return_tensors="pt")
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = model(**inputs, labels=torch.tensor([int(row[1]) for row in part])).loss
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
