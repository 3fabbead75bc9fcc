"""espalier-encode for tests: requests to one process, answers as numpy arrays, and how far they are from others'."""
import atexit
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import numpy
from safetensors.numpy import load_file, save_file

from cluster import BIN


class Encoder:
    """One process for many requests; a new one takes over when it died of the last."""

    def __init__(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="espalier-encode-"))
        self.process = None
        atexit.register(self.close)

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait(timeout=60)
            self.process.stdout.close()
            self.process = None
        shutil.rmtree(self.scratch, ignore_errors=True)

    def ask(self, **request):
        """The tensors that the request wants, by name. `pixels` may be an array."""
        if not self.process or self.process.poll() is not None:
            self.process = subprocess.Popen([BIN / "espalier-encode"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            text=True)
        if "pixels" in request:
            save_file({"pixels": request["pixels"]}, self.scratch / "pixels.safetensors")
            request["pixels"] = str(self.scratch / "pixels.safetensors")
        out = self.scratch / "out.safetensors"
        asked = json.dumps({**request, "folder": str(request["folder"]), "out": str(out)})
        self.process.stdin.write(asked + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise AssertionError(f"espalier-encode died with exit code {self.process.wait()}")
        if problem := json.loads(answer).get("error"):
            raise AssertionError(problem)
        return load_file(out)


class WithEncoder(unittest.TestCase):
    """Has `encoder`, and transformers that are quiet and fetch nothing."""

    @classmethod
    def setUpClass(cls):
        os.environ["TRANSFORMERS_OFFLINE"] = os.environ["HF_HUB_OFFLINE"] = "1"
        import transformers

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        cls.encoder = Encoder()

    @classmethod
    def tearDownClass(cls):
        cls.encoder.close()


def gap(ours, theirs):
    """Largest difference in units of max(1, largest value): absolute for values of order one."""
    if ours.shape != theirs.shape:
        raise AssertionError(f"shape {ours.shape} where {theirs.shape} was expected")
    if not numpy.isfinite(ours).all():
        raise AssertionError("not every value is a finite number")
    return float(abs(ours - theirs).max() / max(1.0, abs(theirs).max()))


def real_rows(padded, lengths):
    """[B, T, ...] with padding to [N, ...] without."""
    return numpy.concatenate([row[:length] for row, length in zip(padded, lengths)])


def real_maps(maps, lengths):
    """Zero where a query or key is padding, which is how we give them."""
    out = numpy.zeros_like(maps)
    for row, length in enumerate(lengths):
        out[row, :, :length, :length] = maps[row, :, :length, :length]
    return out
