"""Pruning steps of CoFi's released training loop: one process, seconds of every step as one JSON line.

    python authors_loop.py AUTHORS MODEL TSV ROWS pad(dynamic|full) threads precision(fp32|bf16) sparsity

AUTHORS is their code, ROWS a JSON file: of every step the numbers of its rows in TSV (columns sentence and label). The loop
is theirs, CoFiTrainer.train(), with all five kinds of masks from the first step on; batches come ready made, and nothing is
evaluated or saved. pad=full: every position holds a token and counts, 128 a row. In bf16 both forward passes and the
distillation loss run under autocast, which theirs does not ask for.
"""
import copy
import functools
import json
import pathlib
import resource
import sys
import tempfile
import time

import authors_code

LENGTH = 128


class TimedBatches(list):
    """What their loop takes for its loader. A step lasts from one batch being asked for to the next."""

    def __iter__(self):
        self.asked = []
        for batch in super().__iter__():
            self.asked.append(time.perf_counter())
            yield dict(batch)  # they put masks into it

    def seconds(self, end):
        return [after - before for before, after in zip(self.asked, [*self.asked[1:], end])]


def read_batches(tokenizer, table, steps, pad):
    import torch
    heading, *rows = [line.rstrip("\n").split("\t") for line in table.read_text("utf-8-sig").split("\n") if line]
    text, label = heading.index("sentence"), heading.index("label")
    out = TimedBatches()
    for step in steps:
        part = [rows[i] for i in step]
        inputs = tokenizer([row[text] for row in part], padding="max_length", max_length=LENGTH, truncation=True,
                           return_tensors="pt")
        if pad == "full":
            inputs["attention_mask"] = torch.ones_like(inputs["attention_mask"])
        out.append({**inputs, "labels": torch.tensor([int(row[label]) for row in part])})
    return out


def read_models(theirs, config, folder):
    """Student and teacher, of the same weights; the head is fresh."""
    import torch
    from safetensors.torch import load_file
    model_of = theirs["models.modeling_bert"].CoFiBertForSequenceClassification
    teacher = model_of(config).eval()
    weights = {"bert." + name: tensor for name, tensor in load_file(folder / "model.safetensors").items()
               if not name.endswith("position_ids")}
    missing, unknown = teacher.load_state_dict(weights, strict=False)
    missing = [name for name in missing if not name.startswith("classifier.") and not name.endswith("position_ids")]
    if missing or unknown:
        sys.exit(f"{folder}: missing {missing}, unknown {unknown}")
    config = copy.deepcopy(config)
    config.do_layer_distill = True
    torch.manual_seed(1)
    student = model_of(config)
    student.load_state_dict(teacher.state_dict(), strict=False)
    theirs["utils.cofi_utils"].initialize_layer_transformation(student)
    return student, teacher


def make_trainer(theirs, student, teacher, batches, sparsity, output):
    import transformers
    options = theirs["args"].AdditionalArguments(
        pruning_type="structured_heads+structured_mlp+hidden+layer", reg_learning_rate=0.01, scheduler_type="linear",
        freeze_embeddings=True, lagrangian_warmup_epochs=1, target_sparsity=sparsity, do_distill=True, do_layer_distill=True,
        layer_distill_version=4, distill_loss_alpha=0.9, distill_ce_loss_alpha=0.1, distill_temp=2)
    masks = theirs["models.l0_module"].L0Module(
        config=student.config, droprate_init=options.droprate_init, temperature=options.temperature,
        target_sparsity=sparsity, pruning_type=options.pruning_type)
    settings = transformers.TrainingArguments(
        output_dir=output, no_cuda=True, report_to="none", disable_tqdm=True, learning_rate=2e-5, max_steps=len(batches),
        per_device_train_batch_size=len(batches[0]["labels"]), logging_steps=len(batches) + 1,
        eval_steps=len(batches) + 1)
    trainer = theirs["trainer.trainer"].CoFiTrainer(model=student, args=settings, additional_args=options, l0_module=masks,
                                                    teacher_model=teacher)
    trainer.args.local_rank = -1  # transformers has 0 here since, and their loop then asks for a process group
    trainer.prepruning_finetune_steps, trainer.start_prune = 0, True
    trainer.get_train_dataloader = lambda: batches
    trainer.evaluate = lambda *_: {}
    return trainer


def under_autocast(step):
    import torch

    @functools.wraps(step)
    def inner(*positional, **named):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return step(*positional, **named)
    return inner


def main():
    authors, folder, table, rows = map(pathlib.Path, sys.argv[1:5])
    pad, threads, precision, sparsity = sys.argv[5:]
    import torch
    import transformers

    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    config = transformers.AutoConfig.from_pretrained(folder, num_labels=2, output_attentions=True, output_hidden_states=True)
    theirs = authors_code.load(authors, config.num_hidden_layers)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batches = read_batches(tokenizer, table, json.loads(rows.read_text()), pad)
    student, teacher = read_models(theirs, config, folder)
    losses = []
    with tempfile.TemporaryDirectory() as output:
        trainer = make_trainer(theirs, student, teacher, batches, float(sparsity), output)
        if precision == "bf16":
            student.forward, teacher.forward = under_autocast(student.forward), under_autocast(teacher.forward)
            trainer.calculate_distillation_loss = under_autocast(trainer.calculate_distillation_loss)
        step = trainer.training_step

        def noting_the_loss(*positional):
            terms = step(*positional)
            losses.append(terms["loss"].item())
            return terms
        trainer.training_step = noting_the_loss
        trainer.train()
        end = time.perf_counter()
    print(json.dumps({"seconds": batches.seconds(end), "losses": losses,
                      "tokens": [int(batch["attention_mask"].sum()) for batch in batches],
                      "longest": [int(batch["attention_mask"].sum(-1).max()) for batch in batches],
                      "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                      "torch": torch.__version__, "transformers": transformers.__version__}))


if __name__ == "__main__":
    main()
