"""Token ids and offsets against Hugging Face `tokenizers`: every sentence of the benchmark data and
random Unicode strings (10,000; ESPALIER_RANDOM_STRINGS says how many), for WordPiece cased, uncased and as MPNet has it, and for byte-level BPE.

Code points that their Unicode tables know otherwise than ICU does are found by asking both sides about each code
point alone; they are counted, listed by kind and left out of the random strings.
"""
import collections
import csv
import functools
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import unicodedata
import unittest

from cluster import BIN, ROOT

DATA = pathlib.Path(os.environ.get("ESPALIER_DATA", ROOT.parent / "shared/data"))
STRINGS = int(os.environ.get("ESPALIER_RANDOM_STRINGS", 10_000))
SEED = 20240229
MERGES = 8000
MPNET_SPECIALS = {"[PAD]": "<pad>", "[CLS]": "<s>", "[SEP]": "</s>", "[MASK]": "<mask>"}
BPE_SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def data_files(*names):
    missing = [name for name in names if not (DATA / name).exists()]
    if missing:
        raise unittest.SkipTest(f"the benchmark data is not here: {', '.join(missing)} below {DATA} (ESPALIER_DATA)")
    return [DATA / name for name in names]


def rows(path, encoding="utf-8-sig", header=True):
    """A table whose quotes are literal."""
    with open(path, newline="", encoding=encoding) as table:
        read = csv.reader(table, delimiter="\t", quoting=csv.QUOTE_NONE)
        return list(read)[int(header):]


@functools.cache
def sst2():
    return [row[0] for path in data_files("sst2/train.tsv", "sst2/dev.tsv") for row in rows(path)]


@functools.cache
def sentences():
    """Every text of every task, each once, in order."""
    out = list(sst2())
    for path in data_files("mrpc/train.tsv", "mrpc/dev.tsv"):
        out += [text for row in rows(path) for text in row[3:5]]
    for path in data_files("rte/train.tsv", "rte/dev.tsv"):
        out += [text for row in rows(path) for text in row[1:3]]
    for path in data_files("cola/train.tsv", "cola/dev.tsv"):
        out += [row[3] for row in rows(path, header=False)]
    for path in data_files("stsb/train.tsv", "stsb/dev.tsv"):
        out += [text for row in rows(path, header=False) for text in row[:2]]
    for path in data_files("trec/TREC.train.raw", "trec/TREC.test.raw"):
        out += [line.split(" ", 1)[1] for line in path.read_text(encoding="latin-1").splitlines()]
    for line in data_files("mnli/dev_matched.jsonl")[0].read_text(encoding="utf-8").splitlines():
        out += [text for key, text in sorted(json.loads(line).items()) if key.startswith(("sentence", "premise", "hypothesis", "text"))
                and isinstance(text, str)]
    for path in data_files("squad/dev-v1.1.json", "squad/train-v1.1-first.json"):
        for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                out.append(paragraph["context"])
                out += [question["question"] for question in paragraph["qas"]]
    return list(dict.fromkeys(out))


def code_points():
    """All but surrogates, planes without any character and private ones, which no table tells apart."""
    return [chr(point) for block in (range(1, 0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000)) for point in block]


def random_strings(count, left_out, specials):
    """Mostly a few scripts a string, with white space, marks, punctuation and special tokens between."""
    chosen = random.Random(SEED)
    blocks = [(0x20, 0x7F), (0x20, 0x7F), (0x80, 0x250), (0x250, 0x600), (0x300, 0x370), (0x600, 0x1100), (0x1100, 0x2000),
              (0x2000, 0x2C00), (0x3000, 0x3400), (0x3400, 0xA000), (0xA000, 0xD800), (0xE000, 0x10000), (0x10000, 0x20000),
              (0x1F000, 0x1FB00), (0x20000, 0x32000), (0xE0000, 0xE0200), (0, 0x110000)]
    glue = [" ", " ", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2028", "\u200b", "'s", "'ll", "'", ".", "-", "##",
            "\u0301", "\u0323", "\u0315", "\u302e", "\u0130", "\u03a3", "\ufffd", "\x01", "é", "한", "12", "½", *specials]
    out = []
    while len(out) < count:
        here, parts = chosen.sample(blocks, chosen.randint(1, 3)), []
        for _ in range(chosen.randint(0, 12)):
            low, high = chosen.choice(here)
            word = [chr(chosen.randrange(low, high)) for _ in range(chosen.randint(1, 6))]
            parts.append("".join(c for c in word if not 0xD800 <= ord(c) <= 0xDFFF and c not in left_out))
            parts.append(chosen.choice(glue) if chosen.random() < 0.7 else "")
        out.append("".join(parts))
    return out


def different(texts, ours, theirs):
    return [(text, one, other) for text, one, other in zip(texts, ours, theirs, strict=True) if one != other]


class Comparison:
    """One tokenizer, theirs and ours, from the same folder."""

    def __init__(self, folder, theirs, prefixed=None):
        self.folder, self.theirs = folder, theirs
        theirs.no_padding()
        theirs.no_truncation()
        self.prefixed = prefixed or theirs  # what is_split_into_words is compared with
        self.left_out = frozenset()

    def ours(self, asked):
        lines = "".join(json.dumps(one) + "\n" for one in asked)
        done = subprocess.run([BIN / "espalier-tokenize-lines", self.folder], input=lines, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stderr[-2000:])
        return [json.loads(line) for line in done.stdout.splitlines()]

    def hugging_face(self, texts, tokenizer=None):
        for at in range(0, len(texts), 5000):
            for encoding in (tokenizer or self.theirs).encode_batch(texts[at:at + 5000], add_special_tokens=False):
                yield [encoding.ids, [list(span) for span in encoding.offsets]]

    def differences(self, texts):
        return different(texts, self.ours([{"text": text} for text in texts]), self.hugging_face(texts))


def find_left_out(comparison):
    """Code points that are read otherwise between letters, beside a token that stands alone or before a contraction;
    marks also by the order that they come into."""
    points = code_points()
    asked = [f"a{c}b {c}Covid-19 {c}'s  {c}" + (f" \u302e{c}" if unicodedata.category(c)[0] == "M" else "") for c in points]
    ours = comparison.ours([{"text": text} for text in asked])
    return frozenset(c for c, _, _ in different(points, ours, comparison.hugging_face(asked)))


def wordpiece(folder, vocabulary, lower_case, mpnet=False):
    import tokenizers
    from tokenizers import normalizers, pre_tokenizers, processors

    words = vocabulary.read_text(encoding="utf-8").split("\n")[:-1]
    if mpnet:
        words = [MPNET_SPECIALS.get(word, word) for word in words]
    first, separator = ("<s>", "</s>") if mpnet else ("[CLS]", "[SEP]")
    ids = {word: i for i, word in enumerate(words)}
    theirs = tokenizers.Tokenizer(tokenizers.models.WordPiece(ids, unk_token="[UNK]"))
    theirs.normalizer = normalizers.BertNormalizer(lowercase=lower_case)
    theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    middle = f"{separator}:0 {separator}:0" if mpnet else f"{separator}:0"
    theirs.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {separator}", pair=f"{first} $A {middle} $B:1 {separator}:1",
        special_tokens=[(first, ids[first]), (separator, ids[separator])])
    names = [MPNET_SPECIALS[name] if mpnet else name for name in MPNET_SPECIALS] + ["[UNK]"]
    theirs.add_special_tokens([tokenizers.AddedToken(name, lstrip=name == "<mask>", normalized=False) for name in names])
    if mpnet:  # as a user adds words; these are looked for in the normalised text
        theirs.add_tokens([tokenizers.AddedToken("Covid-19", single_word=True), tokenizers.AddedToken("Ünïque", rstrip=True)])
        theirs.save(str(folder / "tokenizer.json"))
    else:
        (folder / "vocab.txt").write_text("".join(word + "\n" for word in words), encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower_case}))
    return Comparison(folder, theirs)


def byte_level(folder):
    import tokenizers
    from tokenizers import pre_tokenizers, processors, trainers

    def finish(tokenizer, prefix):
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=prefix)
        tokenizer.add_special_tokens([tokenizers.AddedToken(name, lstrip=name == "<mask>", normalized=False)
                                      for name in BPE_SPECIALS])
        return tokenizer

    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.train_from_iterator(sst2(), trainers.BpeTrainer(
        vocab_size=256 + len(BPE_SPECIALS) + MERGES, special_tokens=BPE_SPECIALS, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    theirs.model.save(str(folder))
    finish(theirs, prefix=False)
    prefixed = finish(tokenizers.Tokenizer.from_str(theirs.to_str()), prefix=True)
    return Comparison(folder, theirs, prefixed)


class Tokenizers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cased, uncased = data_files("vocab/bert-base-cased-vocab.txt", "vocab/bert-base-uncased-vocab.txt")
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="espalier-tokenizer-"))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        folder = lambda name: (cls.root / name).mkdir() or cls.root / name
        bpe = byte_level(folder("bpe"))
        cls.all = {"uncased": wordpiece(folder("uncased"), uncased, True), "cased": wordpiece(folder("cased"), cased, False),
                   "mpnet": wordpiece(folder("mpnet"), uncased, True, mpnet=True), "bpe": bpe}
        for name, theirs in (("bpe-json", bpe.theirs), ("bpe-prefixed", bpe.prefixed)):
            theirs.save(str(folder(name) / "tokenizer.json"))
            cls.all[name] = Comparison(cls.root / name, theirs, bpe.prefixed)
        # The same text is read in the same way by all that normalise and cut it alike.
        for names in (["uncased"], ["mpnet"], ["cased"], ["bpe", "bpe-json", "bpe-prefixed"]):
            left_out = find_left_out(cls.all[names[0]])
            for name in names:
                cls.all[name].left_out = left_out
        cls.specials = {name: ["[SEP]", "[MASK]", "<mask>", " <mask> ", "</s>", "covid-19", "Covid-19", "ünïque ", "<s>"]
                        for name in cls.all}

    def assert_none(self, differences):
        for text, ours, theirs in differences[:3]:
            print(f"\n{str(text)[:1000]!a}\n  ours   {str(ours)[:1000]}\n  theirs {str(theirs)[:1000]}")
        self.assertEqual(len(differences), 0)

    def test_every_sentence_has_their_ids_and_offsets(self):
        for name, comparison in self.all.items():
            with self.subTest(tokenizer=name):
                self.assert_none(comparison.differences(sentences()))
        print(f"\n{len(sentences())} texts, {len(self.all)} tokenizers: no difference")

    def test_random_strings_have_their_ids_and_offsets(self):
        for name, comparison in self.all.items():
            with self.subTest(tokenizer=name):
                texts = random_strings(STRINGS, comparison.left_out, self.specials[name])
                kinds = collections.Counter(f"U+{ord(c) >> 8:02X}xx" for c in comparison.left_out)
                print(f"\n{name}: {len(texts)} strings; {len(comparison.left_out)} code points left out: {dict(sorted(kinds.items()))}")
                self.assert_none(comparison.differences(texts))

    def test_encodings_have_their_special_tokens_and_types(self):
        texts = sentences()[:400] + random_strings(400, frozenset(), [])[:400]
        for name, comparison in self.all.items():
            with self.subTest(tokenizer=name):
                texts = [text for text in texts if not comparison.left_out.intersection(text)]
                pairs = list(zip(texts, texts[1:]))
                for asked, given in ((texts, [[text, 1 << 20] for text in texts]), (pairs, [[*pair, 1 << 20] for pair in pairs])):
                    theirs = [[one.ids, one.type_ids] for one in comparison.theirs.encode_batch(asked)]
                    self.assert_none(different(asked, comparison.ours(given), theirs))
                for longest in (4, 5, 16):
                    comparison.theirs.enable_truncation(longest)
                    theirs = [[one.ids, one.type_ids] for one in comparison.theirs.encode_batch(pairs)]
                    comparison.theirs.no_truncation()
                    ours = comparison.ours([[*pair, longest] for pair in pairs])
                    self.assert_none(different([(pair, longest) for pair in pairs], ours, theirs))

    def test_words_that_were_split_before_have_their_ids_and_offsets(self):
        texts = [text.split() for text in sentences()[:2000]]
        for name, comparison in self.all.items():
            with self.subTest(tokenizer=name):
                words = [word for text in texts for word in text]
                mine = comparison.ours([{"word": word} for word in words])
                theirs = comparison.prefixed.encode_batch(texts, is_pretokenized=True, add_special_tokens=False)
                got = iter(mine)
                joined = [[sum(parts, []) for parts in zip(*(next(got) for _ in text))] for text in texts]
                theirs = [[one.ids, [list(span) for span in one.offsets]] for one in theirs]
                self.assert_none(different(texts, joined, theirs))

    def test_special_tokens_are_known_by_name(self):
        for name, comparison in self.all.items():
            with self.subTest(tokenizer=name):
                names = BPE_SPECIALS[1:2] + BPE_SPECIALS[3:4] if "bpe" in name else ["<pad>" if name == "mpnet" else "[PAD]", "[UNK]"]
                first, separator, mask = ("[CLS]", "[SEP]", "[MASK]") if "cased" in name else ("<s>", "</s>", "<mask>")
                ids = [comparison.theirs.token_to_id(token) for token in [*names, first, separator, mask]]
                found = comparison.ours([{"specials": True}])[0]
                self.assertEqual([found[key] for key in ("pad", "unknown", "first", "separator", "mask")], ids)
                self.assertEqual(found["vocabulary"], comparison.theirs.get_vocab_size(with_added_tokens=True))
                self.assertEqual(found["added"], [comparison.theirs.num_special_tokens_to_add(pair) for pair in (False, True)])


if __name__ == "__main__":
    unittest.main()
