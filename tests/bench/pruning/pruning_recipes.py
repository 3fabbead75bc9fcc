"""What is pruned, how and how far: one entry a method. The one place to change a recipe."""
from typing import NamedTuple

STEPS = {"prune": 1500, "recover": 500}  # of every method
RATE = 5e-5
# On MiniLM; the fine-tuned model that all methods of a task start from. sst2 is a sample of 10,000 sentences.
BACKBONES = {"trec": (5, 1e-4, 64), "cola": (10, 1e-4, 64), "mrpc": (6, 1e-4, 128), "sst2": (3, 5e-5, 64)}
SOFT = [{"name": "soft_labels", "options": {"temperature": 2, "task_weight": 0.5}}]
COFI = [{"name": "soft_labels", "options": {"temperature": 2, "weight": 0.1, "task_weight": 0}},
        {"name": "layer_match", "options": {"weight": 0.9, "match": "ordered"}}]


class Method(NamedTuple):
    pruner: dict
    distillers: list
    seeds: int
    note: str = ""


METHODS = {
    "cofi": Method({"name": "cofi"}, COFI, 3),
    "magnitude": Method({"name": "magnitude", "options": {"scope": "structure"}}, SOFT, 3, "heads and neurons"),
    "drop_layers": Method({"name": "drop_layers"}, SOFT, 3),
    "taylor": Method({"name": "taylor"}, SOFT, 1),
}
SPARSITIES = [0.8, 0.95]


def backbone(task, seed=1):
    epochs, rate, length = BACKBONES[task]
    return {"recipe": "dense", "max_length": length, "seed": seed,
            "finetune": {"epochs": epochs, "learning_rate": rate, "batch_size": 32}}


def recipe(task, method, sparsity, seed):
    training = {phase: {"steps": steps, "learning_rate": RATE, "batch_size": 32} for phase, steps in STEPS.items()}
    return {"recipe": "auto", "target": {"sparsity": sparsity}, "pruner": METHODS[method].pruner,
            "distillers": METHODS[method].distillers, "exit": {"name": "none"}, "max_length": BACKBONES[task][2], "seed": seed,
            "finetune": {"epochs": 0}, **training}
