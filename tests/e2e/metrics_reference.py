"""What the metrics are compared with where no library of the tests has it: plain definitions, slow and short."""
import collections
import math
import re
import string

import numpy as np

ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def normalise(text):
    """SQuAD's normalize_answer."""
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(ARTICLE.sub(" ", kept).split())


def token_f1(prediction, answer, version):
    said, gold = normalise(prediction).split(), normalise(answer).split()
    if version == 2 and not (said and gold):
        return float(said == gold)
    same = sum((collections.Counter(said) & collections.Counter(gold)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(said), same / len(gold)
    return 2 * precision * recall / (precision + recall)


def squad_scores(question, version):
    """(exact, f1) of one question, the best of its answers."""
    answers = question["answers"]
    if version == 2:
        answers = [answer for answer in answers if normalise(answer)] or [""]
    exact = max(float(normalise(question["prediction"]) == normalise(answer)) for answer in answers)
    return exact, max(token_f1(question["prediction"], answer, version) for answer in answers)


def squad_report(questions, version, threshold):
    """scores, and the means of all questions, those with and those without answers: [exact, f1, count]."""
    scores = []
    for question in questions:
        silent = version == 2 and question["no_answer"] > threshold
        scores.append((float(not question["answers"]),) * 2 if silent else squad_scores(question, version))

    def means(chosen):
        return [*(np.mean(chosen, axis=0) if chosen else (0, 0)), len(chosen)]

    having = [bool(question["answers"]) for question in questions]
    return {"scores": scores, "total": means(scores),
            "has_answer": means([score for score, has in zip(scores, having) if has]),
            "no_answer": means([score for score, has in zip(scores, having) if not has])}


def squad_best(questions, which):
    """v2's search for a threshold: [figure, threshold]; which: 0 exact, 1 f1."""
    figure = best = sum(not question["answers"] for question in questions)
    threshold = 0.0
    for question in sorted(questions, key=lambda one: one["no_answer"]):
        figure += squad_scores(question, 2)[which] if question["answers"] else -bool(question["prediction"])
        if figure > best:
            best, threshold = figure, question["no_answer"]
    return [best / len(questions), threshold]


def answers(asked):
    """postprocess_qa_predictions of transformers' example for one question, equal logits by position.

    Where no pair is allowed the answer is none; the example says "empty" there.
    """
    found, none, n_best = [], None, asked["n_best"]
    for window in asked["windows"]:
        start, end = (np.array(window[side], dtype=np.float32) for side in ("start", "end"))
        if none is None or start[0] + end[0] < none["score"]:
            none = {"span": (0, 0), "start": start[0], "end": end[0], "score": start[0] + end[0]}
        firsts, lasts = (np.argsort(-logits, kind="stable")[:n_best].tolist() for logits in (start, end))
        for first in firsts:
            for last in lasts:
                begins, ends = window["offsets"][first], window["offsets"][last]
                if begins[0] < 0 or ends[0] < 0 or not first <= last < first + asked["max_length"]:
                    continue
                found.append({"span": (begins[0], ends[1]), "start": start[first], "end": end[last],
                              "score": start[first] + end[last]})
    if asked["may_be_none"]:
        found.append(none)
    found = sorted(found, key=lambda one: one["score"], reverse=True)[:n_best]
    if asked["may_be_none"] and all(one["span"] != (0, 0) for one in found):
        found.append(none)
    shares = np.exp(np.array([one["score"] for one in found], dtype=np.float64))
    for one, share in zip(found, shares / shares.sum()):
        one["probability"], one["text"] = share, asked["context"][slice(*one["span"])]
    best = next((one for one in found if one["text"]), None)
    text, difference = best["text"] if best else "", 0.0
    if asked["may_be_none"]:
        difference = float(none["score"] - best["start"] - best["end"]) if best else math.inf
        text = "" if difference > asked["threshold"] else text
    listed = [[one["text"], *(float(one[key]) for key in ("start", "end", "score", "probability"))] for one in found]
    return {"text": text, "none_minus_best": difference, "n_best": listed}


def entities(tags, strict):
    """{(type, begin, end)}: by the table of beginnings and ends of CoNLL's script, or by the grammar of IOB2."""
    read = [(tag[0], tag[1:].split("-", 1)[-1] or "_") for tag in [*tags, "O"]]
    if strict:
        begins = [at for at, (letter, _) in enumerate(read) if letter == "B"]
        rest = [next(i for i in range(at + 1, len(read)) if read[i] != ("I", read[at][1])) for at in begins]
        return {(read[at][1], at, end) for at, end in zip(begins, rest)}
    found, begin, last, kind = set(), 0, "O", ""
    for at, (letter, this) in enumerate(read):
        if last in "ES" or last + letter in ("BB", "BS", "BO", "IB", "IS", "IO") or (last != "O" and this != kind):
            found.add((kind, begin, at))
        if letter in "BS" or last + letter in ("EE", "EI", "SE", "SI", "OE", "OI") or (letter != "O" and this != kind):
            begin = at
        last, kind = letter, this
    return found


def entity_figures(truth, predicted, strict):
    def of_all(sentences):
        return {(i, *one) for i, tags in enumerate(sentences) for one in entities(tags, strict)}

    is_, said = of_all(truth), of_all(predicted)
    both = len(is_ & said)
    return {"precision": both / max(len(said), 1), "recall": both / max(len(is_), 1),
            "f1": 2 * both / max(len(is_) + len(said), 1)}


MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(x):
    x = (x + GOLDEN) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def mix_text(seed, text):
    for byte in text.encode():
        seed = mix(seed ^ byte)
    return mix(seed ^ (len(text) << 8))


def resamples(examples, count, seed):
    """The rows of every bootstrap resample: core/base/random.h again."""
    for resample in range(count):
        state = mix_text(mix(mix(mix_text(mix(seed), "bootstrap") ^ resample)), "rows")
        draws = [mix((state + draw * GOLDEN) & MASK) for draw in range(examples)]
        yield [int((draw >> 11) * 2.0**-53 * examples) for draw in draws]
