"""What is trained and how: one row a model and task. The one place to change a recipe."""
from typing import NamedTuple

# A model of our MiniLM's shape, not of its weights, which were tuned for sentence similarity afterwards. The page does
# not name the metric of MRPC.
MINILM = "MiniLM-L6xH384, dev: minilm/README.md of microsoft/unilm"


class Run(NamedTuple):
    model: str
    task: str
    recipe: dict
    also: str = ""  # metric that the table shows beside the one that decides
    published: float | None = None
    source: str = ""


def finetune(epochs, learning_rate, batch_size=32, max_length=128, **more):
    return {"recipe": "dense", "max_length": max_length,
            "finetune": {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size, **more}}


# Of the ViT that is trained from scratch (tiny.write_vit).
VIT = {"layers": 6, "hidden": 128, "heads": 4, "neurons": 512, "side": 32, "patch": 4, "dropout": 0.1}

# Learning rates: 5e-5, the largest of the grid that MiniLM's and BERT's authors search, where data is plenty; twice that
# where it is little or the head has to learn most. Lengths cut fewer than one row in a hundred, questions' contexts
# apart. Cheap ones first, so that a short budget leaves something of most.
RUNS = [
    Run("minilm", "trec", finetune(5, 1e-4, max_length=64)),
    Run("minilm", "cola", finetune(10, 1e-4, max_length=64), "accuracy", 47.5, MINILM),
    Run("minilm", "stsb", finetune(6, 1e-4), "spearman"),
    Run("minilm", "mrpc", finetune(6, 1e-4), "f1", 88.9, MINILM),
    Run("minilm", "rte", finetune(10, 1e-4, max_length=256), "", 68.8, MINILM),
    Run("mpnet", "trec", finetune(4, 3e-5, max_length=64)),
    Run("minilm", "sst2", finetune(3, 5e-5, max_length=64), "", 91.5, MINILM),
    Run("vit", "cifar10", finetune(5, 1e-3, batch_size=128, weight_decay=0.05, schedule="cosine")),
    Run("minilm", "squad", finetune(4, 1e-4, batch_size=16, max_length=384), "exact_match"),
    Run("mpnet", "mrpc", finetune(5, 3e-5), "f1"),
]
