"""Our metrics against scikit-learn, SciPy and plain definitions: random and edge cases, at most 1e-9 apart."""
import json
import math
import random
import subprocess
import sys
import unicodedata
import unittest
import warnings

import metrics_reference as reference
import numpy as np
import scipy.stats
import sklearn.metrics
from cluster import BIN

TOLERANCE = 1e-9
TAGS = ["O"] + [f"{letter}{kind}" for letter in "BIES" for kind in ("-PER", "-LOC", "-A-B", "", "-")]
WORDS = ["the", "The", "a", "an", "An", "dog", "dogs", "Dog,", "U.S.", "ΟΔΟΣ", "don't", "–", "a–b", "--", "\u00a0", "3", ""]


def ours(asked):
    lines = "".join(json.dumps(one) + "\n" for one in asked)
    done = subprocess.run([BIN / "espalier-metrics"], input=lines, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


class Metrics(unittest.TestCase):
    def setUp(self):
        self.rng = random.Random(self.id())
        warnings.simplefilter("ignore")  # the libraries warn about every edge case below
        np.seterr(all="ignore")

    def agree(self, mine, theirs, where=""):
        if isinstance(theirs, dict):
            for key, value in theirs.items():
                self.agree(mine[key], value, f"{where}.{key}")
        elif isinstance(theirs, (list, tuple, np.ndarray)):
            self.assertEqual(len(mine), len(theirs), where)
            for i, value in enumerate(theirs):
                self.agree(mine[i], value, f"{where}[{i}]")
        elif isinstance(theirs, str):
            self.assertEqual(mine, theirs, where)
        elif not math.isfinite(theirs):  # JSON has neither NaN nor infinity
            self.assertIsNone(mine, where)
        else:
            self.assertIsNotNone(mine, f"{where}: they say {theirs}")
            self.assertLessEqual(abs(mine - theirs), TOLERANCE * max(1, abs(theirs)), f"{where}: {mine}, they say {theirs}")

    def compare(self, asked, theirs):
        """`theirs` gives the expected answer for each thing asked."""
        for one, mine in zip(asked, ours(asked), strict=True):
            self.agree(mine, theirs(one), json.dumps(one)[:300])

    def test_classes_agree_with_scikit_learn(self):
        def case(classes, count, used):
            truth, predicted = ([self.rng.randrange(side) for _ in range(count)] for side in used)
            return {"what": "classes", "truth": truth, "predicted": predicted, "classes": classes}

        def theirs(one):
            truth, predicted = one["truth"], one["predicted"]
            f1 = {f"{kind}_f1": sklearn.metrics.f1_score(truth, predicted, average=kind, zero_division=0)
                  for kind in ("macro", "micro")}
            if set(truth + predicted) <= {0, 1}:
                f1["binary_f1"] = sklearn.metrics.f1_score(truth, predicted, zero_division=0)
            return {"accuracy": sklearn.metrics.accuracy_score(truth, predicted),
                    "matthews": sklearn.metrics.matthews_corrcoef(truth, predicted), **f1}

        edges = [([0, 0], [0, 0]), ([1, 1], [1, 1]), ([0, 0], [1, 1]), ([1, 0], [1, 1]), ([1, 1], [1, 0]), ([0], [0]),
                 ([1], [0]), ([2, 2, 5], [2, 2, 2]), ([4], [5])]
        asked = [{"what": "classes", "truth": truth, "predicted": predicted, "classes": 6} for truth, predicted in edges]
        for classes in (2, 3, 7, 40):
            asked += [case(classes, count, used) for count in (1, 2, 5, 30, 1000)
                      for used in ((classes, classes), (1, classes), (classes, 1), (classes, 2)) for _ in range(3)]
        self.compare(asked, theirs)

    def test_label_sets_agree_with_scikit_learn(self):
        def theirs(one):
            truth, predicted = (np.array(one[side]).reshape(-1, one["labels"]) for side in ("truth", "predicted"))
            return {"subset_accuracy": sklearn.metrics.accuracy_score(truth, predicted),
                    **{f"{kind}_f1": sklearn.metrics.f1_score(truth, predicted, average=kind, zero_division=0)
                       for kind in ("macro", "micro")}}

        asked = []
        for labels, rows, share in [(2, 1, 0), (2, 4, 1), (3, 50, 0.5), (5, 200, 0.1), (20, 30, 0.02), (4, 7, 0.9)]:
            truth, predicted = ([int(self.rng.random() < share) for _ in range(rows * labels)] for _ in range(2))
            asked += [{"what": "labels", "truth": truth, "predicted": other, "labels": labels}
                      for other in (predicted, truth, [0] * len(truth), [1] * len(truth))]
        self.compare(asked, theirs)

    def test_entities_agree_with_their_definition(self):
        def sentences(tags):
            return [[self.rng.choice(tags) for _ in range(length)] for length in (0, 1, 2, 3, 5, 8, 30)]

        def noisy(truth):
            return [[self.rng.choice(TAGS) if self.rng.random() < 0.2 else tag for tag in tags] for tags in truth]

        asked = []
        for strict in (False, True):
            for tags in (TAGS, TAGS[:9], ["O"], ["O", "B-X", "I-X", "I-Y"]):
                for truth in [sentences(tags) for _ in range(20)]:
                    asked.append({"what": "entities", "truth": truth, "predicted": noisy(truth), "strict": strict})
        self.compare(asked, lambda one: reference.entity_figures(one["truth"], one["predicted"], one["strict"]))

    def test_numbers_agree_with_scipy_and_scikit_learn(self):
        def theirs(one):
            a, b = np.array(one["a"]), np.array(one["b"])
            r, rho = scipy.stats.pearsonr(a, b), scipy.stats.spearmanr(a, b).statistic
            fisher = r.confidence_interval() if not math.isnan(r.statistic) else (-1, 1)
            bonett = np.array([-1.0, 1.0])
            if len(a) > 3 and not math.isnan(rho):
                half = scipy.stats.norm.ppf(0.975) * math.sqrt((1 + rho * rho / 2) / (len(a) - 3))
                bonett = np.tanh(np.arctanh(rho) + half * bonett)
            return {"pearson": r.statistic, "spearman": rho, "ranks": scipy.stats.rankdata(a),
                    "mean_squared_error": sklearn.metrics.mean_squared_error(a, b),
                    "fisher": list(fisher), "bonett_wright": bonett}

        pairs = [([1, 1, 1], [1, 2, 3]), ([0.1] * 3, [1, 2, 3]), ([1, 2], [2, 1]), ([1, 2], [3, 3]), ([5, 5], [5, 5]),
                 ([1, 2, 3, 4], [2, 4, 6, 8]), ([1, 2, 3, 4], [4, 3, 2, 1]), ([1e200, -1e200, 3e200], [1e-200, 2e-200, 9e-200])]
        for count in (2, 3, 4, 10, 500, 20000):
            numbers = [self.rng.gauss(3, 2) for _ in range(count)]
            pairs += [(numbers, [x + self.rng.gauss(0, spread) for x in numbers]) for spread in (0, 0.01, 1, 100)]
            pairs += [([self.rng.randrange(few) for _ in range(count)], [self.rng.randrange(few) / 5 for _ in range(count)])
                      for few in (2, 3, 26)]
            pairs += [([x + 1e6 for x in numbers], [self.rng.random() for _ in range(count)])]
        self.compare([{"what": "numbers", "a": a, "b": b} for a, b in pairs], theirs)

    def test_perplexity_agrees_with_its_definition(self):
        asked = [{"what": "language", "loss": loss, "tokens": tokens}
                 for loss, tokens in [(0, 1), (12.5, 7), (3e5, 100000), (1234.5, 1000), (700, 1), (5, 0)]]
        self.compare(asked, lambda one: {"perplexity": math.exp(one["loss"] / one["tokens"]) if one["tokens"] else math.nan})

    def test_normalised_answers_agree_for_every_character(self):
        # Unassigned and private characters aside: Python's tables and ICU's are of different years.
        texts = [f"The{c}a{c}{c} {c}Σ AN{c}x" for c in map(chr, range(sys.maxunicode + 1))
                 if unicodedata.category(c) not in ("Cn", "Co", "Cs")]
        self.assertGreater(len(texts), 100_000)
        self.compare_normalised(texts)

    def test_normalised_answers_agree_on_random_texts(self):
        characters = "aAnNtThHeE \t\u0130\u03a3\u03c3\u0301\u2019\u00ad\u1e9e\u3000\x1c\u200b_-.'\U00010400\u00b2\u2160"
        self.compare_normalised(["".join(self.rng.choices(characters, k=self.rng.randrange(12))) for _ in range(50_000)])

    def compare_normalised(self, texts):
        mine = ours([{"what": "normalise", "texts": texts}])[0]
        different = [(text, one) for text, one in zip(texts, mine, strict=True) if one != reference.normalise(text)]
        self.assertEqual(different[:10], [], f"{len(different)} of {len(texts)} differ")

    def squad_case(self, version, count):
        def text(most):
            return " ".join(self.rng.choices(WORDS, k=self.rng.randint(0, most)))

        def answers():
            return [text(4) for _ in range(self.rng.randint(version == 1, 4))]

        questions = [{"prediction": text(5), "answers": answers(), "no_answer": self.rng.choice([0.0, 0.25, self.rng.random()])}
                     for _ in range(count)]
        for question in questions:
            if question["answers"] and self.rng.random() < 0.3:
                question["prediction"] = self.rng.choice(question["answers"])
        return {"what": "squad", "version": version, "questions": questions, "threshold": self.rng.choice([0.5, 1.0, 1e9])}

    def test_squad_agrees_with_the_official_definition(self):
        def theirs(one):
            report = reference.squad_report(one["questions"], one["version"], one["threshold"])
            if one["version"] == 2:
                report["best"] = reference.squad_best(one["questions"], 0) + reference.squad_best(one["questions"], 1)
            return report

        self.compare([self.squad_case(version, count) for version in (1, 2) for count in (1, 2, 5, 40, 500) for _ in range(5)],
                     theirs)

    def answers_case(self, may_be_none, ties):
        context = "".join(self.rng.choice("aé漢😀 ") for _ in range(60))
        windows = []
        for _ in range(self.rng.randint(1, 4)):
            tokens, question, shift = self.rng.randint(4, 50), self.rng.randint(2, 6), self.rng.randint(-2, 8)
            offsets = [[-1, -1] if token < question or token == tokens - 1 else [token + shift, token + shift + 1]
                       for token in range(tokens)]
            start, end = ([float(np.float32(self.rng.randint(0, 4) if ties else self.rng.gauss(0, 3))) for _ in range(tokens)]
                          for _ in range(2))
            windows.append({"start": start, "end": end, "offsets": offsets})
        return {"what": "answers", "windows": windows, "context": context, "may_be_none": may_be_none,
                "n_best": self.rng.choice([1, 3, 20]), "max_length": self.rng.choice([1, 4, 30]),
                "threshold": self.rng.choice([-8.0, 0.0, 3.0])}

    def test_answers_agree_with_the_example_of_transformers(self):
        self.compare([self.answers_case(may_be_none, ties) for may_be_none in (False, True) for ties in (False, True)
                      for _ in range(100)], reference.answers)

    def test_bootstrap_agrees_with_the_same_resamples_done_slowly(self):
        truth, first, second = ([self.rng.randrange(3) for _ in range(30)] for _ in range(3))
        figures = {"accuracy": sklearn.metrics.accuracy_score, "matthews": sklearn.metrics.matthews_corrcoef,
                   "macro_f1": lambda *sides: sklearn.metrics.f1_score(*sides, average="macro", zero_division=0),
                   "pearson": lambda *sides: scipy.stats.pearsonr(*sides).statistic,
                   "spearman": lambda *sides: scipy.stats.spearmanr(*sides).statistic,
                   "mean": lambda _, answers: np.mean(answers)}
        rows = np.array(list(reference.resamples(30, 200, seed=7)))

        def theirs(one):
            def figure(answers, at=slice(None)):
                return figures[one["statistic"]](np.array(truth)[at], np.array(answers)[at])

            resampled = np.array([(figure(first, at), figure(second, at)) for at in rows])
            difference = resampled[:, 1] - resampled[:, 0]
            tail = min((difference <= 0).sum(), (difference >= 0).sum())
            return {"value": figure(first), "interval": np.quantile(resampled[:, 0], [0.05, 0.95]), "undefined": 0,
                    "difference": figure(second) - figure(first),
                    "difference_interval": np.quantile(difference, [0.05, 0.95]), "p_value": min(1, 2 * (1 + tail) / 201)}

        self.compare([{"what": "intervals", "statistic": name, "truth": truth, "first": first, "second": second, "classes": 3,
                       "examples": 30, "resamples": 200, "confidence": 0.9, "seed": 7} for name in figures], theirs)


if __name__ == "__main__":
    unittest.main()
