"""What is asked of every engine: texts, and the ids of the same texts for those who start from ids."""
import csv
import dataclasses
import random

BATCH = 32       # rows that an engine which pads gets at a time, as they come
SENTENCES = 256  # of SST-2's dev file, shuffled once
SINGLES = 64     # of these, answered one by one
MAX_LENGTH = 128


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    texts: list
    rows: list  # ids of the texts, cut at max_length
    max_length: int
    together: bool  # or text after text

    @property
    def tokens(self):
        return sum(map(len, self.rows))

    def request(self, kind):
        """As engines read it (worker.py); `kind` is "ids" or "text"."""
        asked = {"together": self.together, "ragged": len(set(map(len, self.rows))) > 1}
        return asked | ({"rows": self.rows} if kind == "ids" else {"texts": self.texts, "max_length": self.max_length})


def read_sst2(path):
    """Sentences and labels."""
    with open(path, newline="", encoding="utf-8") as table:
        rows = list(csv.reader(table, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    return [row[0].strip() for row in rows], [int(row[1]) for row in rows]


def ids_of(tokenizer, texts, max_length):
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]


def long_texts(tokenizer, sentences, count):
    """Texts of at least MAX_LENGTH tokens, each of as many sentences as that takes."""
    tokenizer.no_padding()  # MiniLM's pads to 128 as it comes
    tokenizer.no_truncation()
    out, parts, tokens = [], [], 2  # [CLS] and [SEP]
    for sentence in sentences:
        parts.append(sentence)
        tokens += len(tokenizer.encode(sentence, add_special_tokens=False).ids)
        if tokens >= MAX_LENGTH:
            out.append(" ".join(parts))
            parts, tokens = [], 2
            if len(out) == count:
                return out
    raise ValueError(f"{len(sentences)} sentences make {len(out)} texts of {MAX_LENGTH} tokens, not {count}")


def workloads(tokenizer, sentences):
    """The five, in the order of the tables."""
    sentences = random.Random(0).sample(sentences, len(sentences))
    long = long_texts(tokenizer, sentences, BATCH)
    asked = [("32 x 128", long, MAX_LENGTH, True), ("1 x 128", long[:1], MAX_LENGTH, True), ("1 x 32", long[:1], 32, True),
             ("one by one", sentences[:SINGLES], MAX_LENGTH, False), ("as they come", sentences[:SENTENCES], MAX_LENGTH, True)]
    return [Workload(name, texts, ids_of(tokenizer, texts, length), length, together)
            for name, texts, length, together in asked]
