"""The soak of tests/bench/serving in small: 20,000 requests by clients of every kind, models that come and go; every
answer is compared with its precomputed one, and the server keeps its size."""
import pathlib
import random
import sys
import unittest

import tiny
from cluster import BIN, Cluster

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / path) for path in ("bench/serving", "bench")]
import soak  # noqa: E402
from load import find_program  # noqa: E402
from servers import Espalier  # noqa: E402

REQUESTS, CYCLES = 20_000, 50
# A tiny model is a small part of its process: what the allocator keeps weighs more than beside a real one.
FLAT, FLAT_AFTER_CYCLES = 0.05, 0.10


class SoakInSmall(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Cluster() as cluster:
            folder = cluster.folder
            tiny.train_dense(cluster)
            cluster.cli("artifacts", "download", "dense", folder / "artifact")
            work = folder / "soak"
            server = cls.enterClassContext(Espalier(BIN / "espalier-serve", folder / "serve.log", soak.STEADY, threads=1,
                                                    repository=soak.repository(folder / "artifact", work / "repository")))
            sentences = [tiny.sentence(random.Random(i), "positive") for i in range(200)]
            one = soak.Soak(server, find_program(BIN), work, soak.random_texts(sentences), FLAT, FLAT_AFTER_CYCLES)
            cls.found = one.run(REQUESTS, CYCLES)
            cls.ended = server.stop()

    def client(self, name):
        return self.found["clients"][name]["outcomes"]

    def test_nothing_was_lost_crossed_or_kept(self):
        self.assertEqual(self.found["problems"], [])

    def test_who_waits_is_answered_each_time(self):
        for half in ("steady", "guests"):
            self.assertEqual(self.client(f"{half}: HTTP"), {"200": REQUESTS * 35 // 200})
            self.assertEqual(self.client(f"{half}: gRPC"), {"OK": REQUESTS * 35 // 200})

    def test_every_kind_of_trouble_was_there(self):
        self.assertGreater(self.client("steady: HTTP, in a hurry")["503"], 0)
        self.assertGreater(self.client("steady: gRPC, in a hurry")["DEADLINE_EXCEEDED"], 0)
        for way in ("HTTP", "gRPC"):
            for outcome in ("cancelled", "died"):
                self.assertGreater(self.client(f"steady: {way}, leaving")[outcome], 0)
        self.assertGreaterEqual(self.found["memory"]["guests"]["cycles"], CYCLES)

    def test_the_server_then_stops_as_it_is_told(self):
        self.assertEqual(self.ended, 0)


if __name__ == "__main__":
    unittest.main()
