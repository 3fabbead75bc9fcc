"""What is pruned, how and how far: one entry a method. The one place to change a recipe."""
from typing import NamedTuple

STEPS = {"prune": 1500, "recover": 500}  # of every method
RATE = 5e-5
# On MiniLM; the fine-tuned model that all methods of a task start from. sst2 is a sample of 10,000 sentences.
BACKBONES = {"trec": (5, 1e-4, 64), "cola": (10, 1e-4, 64), "mrpc": (6, 1e-4, 128), "sst2": (3, 5e-5, 64)}
SOFT = [{"name": "soft_labels", "options": {"temperature": 2, "task_weight": 0.5}}]
COFI = [{"name": "soft_labels", "options": {"temperature": 2, "weight": 0.1, "task_weight": 0}},
        {"name": "layer_match", "options": {"weight": 0.9, "match": "ordered"}}]


NONE = [{"name": "none"}]
TOKENS = [{"name": "soft_labels", "options": {"temperature": 2, "task_weight": 0.5}}, {"name": "token_hidden"}]


class Method(NamedTuple):
    pruner: dict
    distillers: list
    seeds: int
    milestones: tuple = ()  # models that one run takes on its way
    sparsities: tuple = (0.8, 0.95)
    trains: bool = True  # else nothing is trained after the dense model
    refit: bool = False


METHODS = {
    "cofi": Method({"name": "cofi"}, COFI, 3),
    "cofi_soft": Method({"name": "cofi"}, SOFT, 1),  # what its layer matching is worth in so few steps
    "magnitude": Method({"name": "magnitude", "options": {"scope": "structure"}}, SOFT, 3),
    "drop_layers": Method({"name": "drop_layers"}, SOFT, 3),
    "taylor": Method({"name": "taylor"}, SOFT, 1),
    "flop": Method({"name": "flop"}, SOFT, 1),
    "block_movement": Method({"name": "block_movement"}, SOFT, 1),
    "dynabert": Method({"name": "dynabert"}, TOKENS, 1),
    "ziplm": Method({"name": "ziplm", "options": {"shots": 10, "ramp_end": 0.6, "search": 30}}, TOKENS, 3),
    "curve": Method({"name": "magnitude", "options": {"scope": "structure"}}, SOFT, 1, (0.6, 0.7, 0.8, 0.9), (0.95,)),
    # Minutes, without a training step after the dense model.
    "fisher": Method({"name": "fisher"}, NONE, 1, (0.2, 0.4, 0.5), (0.6,), False),
    "ziplm_at_once": Method({"name": "ziplm"}, NONE, 1, (0.2, 0.4, 0.5), (0.6,), False),
    "magnitude_refitted": Method({"name": "magnitude", "options": {"scope": "structure"}}, NONE, 1, (0.2, 0.4, 0.5), (0.6,),
                                  False, True),
    "magnitude_at_once": Method({"name": "magnitude", "options": {"scope": "structure"}}, NONE, 1, (0.2, 0.4, 0.5), (0.6,),
                                  False),
}
SPARSITIES = sorted({sparsity for method in METHODS.values() for sparsity in method.sparsities})


def backbone(task, seed=1):
    epochs, rate, length = BACKBONES[task]
    return {"recipe": "dense", "max_length": length, "seed": seed,
            "finetune": {"epochs": epochs, "learning_rate": rate, "batch_size": 32}}


def recipe(task, method, sparsity, seed):
    trains = METHODS[method].trains
    training = {phase: {"steps": steps, "learning_rate": RATE, "batch_size": 32} if trains else {"epochs": 0}
                for phase, steps in STEPS.items()}
    if METHODS[method].refit:
        training["refit"] = True
    target = {"sparsity": sparsity}
    if METHODS[method].milestones:
        target["milestones"] = [one for one in METHODS[method].milestones if one < sparsity]
    return {"recipe": "auto", "target": target, "pruner": METHODS[method].pruner,
            "distillers": METHODS[method].distillers, "exit": {"name": "none"}, "max_length": BACKBONES[task][2], "seed": seed,
            "finetune": {"epochs": 0}, **training}
