"""The protocol's extensions with clients as they are published: tritonclient (sync, async, streams) and KServe's, against
a static espalier-serve with two versions of a model in a repository, and what a managed one refuses."""
import asyncio
import concurrent.futures
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import threading
import unittest

import numpy as np
import tiny
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from cluster import BIN, Cluster, free_ports, wait_for

HERE = pathlib.Path(__file__).resolve().parent
SENTENCES = [f"the {good} plot was {bad}" for good, bad in zip(tiny.GOOD, tiny.BAD)]
CYCLES = 50  # of load and unload


def texts(rows):
    tensor = triton.InferInput("text", [len(rows)], "BYTES")
    tensor.set_data_from_numpy(np.array([row.encode() for row in rows], dtype=np.object_))
    return [tensor]


class Server:
    """espalier-serve over the folders of a repository; `log` is an open file."""

    def __init__(self, folder, *arguments, log=subprocess.DEVNULL):
        self.address, self.admin, self.http = (f"127.0.0.1:{port}" for port in free_ports(3))
        self.process = subprocess.Popen(
            [BIN / "espalier-serve", "--repository", folder, "--listen", self.address, "--admin", self.admin,
             "--http", self.http,
             "--threads", "1", "--drain-seconds", "0", *arguments], stderr=log)

    def __enter__(self):
        with triton.InferenceServerClient(self.address) as client:
            wait_for("the server", lambda: self.is_ready(client))
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    @staticmethod
    def is_ready(client):
        try:
            return client.is_server_ready()
        except triton.InferenceServerException:
            return False

    def resident(self):
        """KiB of memory."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


class Protocol(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster())
        folder, cluster = cls.cluster.folder, cls.cluster
        tiny.train_dense(cluster)
        cluster.cli("artifacts", "download", "dense", folder / "artifact")
        cls.repository = folder / "repository"
        for version in ("1", "2"):
            shutil.copytree(folder / "artifact", cls.repository / "reviews" / version)
        cls.server = cls.enterClassContext(Server(cls.repository, "--version-policy", "all"))
        cls.client = cls.enterClassContext(triton.InferenceServerClient(cls.server.address))

    def refused(self, code, function, *arguments, words="", **options):
        with self.assertRaises(triton.InferenceServerException) as caught:
            function(*arguments, **options)
        self.assertIn(code, str(caught.exception.status()), caught.exception)
        self.assertIn(words, caught.exception.message())

    def logits(self, rows):
        return self.client.infer("reviews", texts(rows)).as_numpy("logits")

    # --- versions ---

    def test_the_newest_version_answers_and_others_by_name(self):
        self.assertEqual(self.client.infer("reviews", texts(["a"])).get_response().model_version, "2")
        by_name = self.client.infer("reviews", texts(["a"]), model_version="1").get_response()
        self.assertEqual(by_name.model_version, "1")
        self.assertEqual(sorted(self.client.get_model_metadata("reviews").versions), ["1", "2"])
        self.assertTrue(self.client.get_model_config("reviews").config.version_policy.HasField("all"))

    def test_an_unknown_version_is_told_which_there_are(self):
        self.refused("NOT_FOUND", self.client.infer, "reviews", texts(["a"]), model_version="7", words="served: 2, 1")
        self.assertFalse(self.client.is_model_ready("reviews", "7"))

    # --- what a request may ask for ---

    def test_classification_names_the_best_classes(self):
        wanted = triton.InferRequestedOutput("probabilities", class_count=2)
        found = self.client.infer("reviews", texts(SENTENCES), outputs=[wanted]).as_numpy("probabilities")
        labels = self.client.infer("reviews", texts(SENTENCES)).as_numpy("label")
        self.assertEqual(found.shape, (len(SENTENCES), 2))
        for row, label in zip(found, labels):
            value, index, name = row[0].decode().split(":")
            self.assertEqual(name, label.decode())
            self.assertGreaterEqual(float(value), float(row[1].decode().split(":")[0]))

    def test_priority_and_timeout_are_taken_and_sequences_refused(self):
        self.client.infer("reviews", texts(["a"]), priority=1, timeout=10_000_000)
        self.refused("DEADLINE_EXCEEDED", self.client.infer, "reviews", texts(["a"] * 500), timeout=1)
        self.refused("UNIMPLEMENTED", self.client.infer, "reviews", texts(["a"]), sequence_id=5, words="sequence")
        self.refused("INVALID_ARGUMENT", self.client.infer, "reviews", texts(["a"]), parameters={"exit_treshold": 1})

    def test_async_calls_answer_as_sync_ones_do(self):
        answers = queue.Queue()
        for i, text in enumerate(SENTENCES):
            self.client.async_infer("reviews", texts([text]), lambda result, error: answers.put((result, error)),
                                    request_id=str(i))
        expected = self.logits(SENTENCES)
        for _ in SENTENCES:
            result, error = answers.get(timeout=30)
            self.assertIsNone(error)
            np.testing.assert_allclose(result.as_numpy("logits")[0], expected[int(result.get_response().id)], atol=1e-5)

    def test_a_call_can_be_cancelled(self):
        answers = queue.Queue()
        call = self.client.async_infer("reviews", texts(SENTENCES * 300), lambda result, error: answers.put(error))
        call.cancel()
        error = answers.get(timeout=30)
        self.assertIsNotNone(error)
        self.assertEqual(self.logits(["a"]).shape, (1, 2))

    # --- streams ---

    def test_a_stream_answers_in_order_and_lives_on_after_an_error(self):
        answers = queue.Queue()
        expected = self.logits(SENTENCES)
        with triton.InferenceServerClient(self.server.address) as client:
            client.start_stream(lambda result, error: answers.put((result, error)))
            for i in range(300):
                client.async_stream_infer("reviews", texts([SENTENCES[i % len(SENTENCES)]]), request_id=str(i),
                                          enable_empty_final_response=True)
            client.async_stream_infer("nobody", texts(["a"]))
            client.async_stream_infer("reviews", texts(["a"]), request_id="last")
            for i in range(300):
                result, error = answers.get(timeout=60)
                self.assertIsNone(error)
                response = result.get_response()
                self.assertEqual(response.id, str(i))
                self.assertTrue(response.parameters["triton_final_response"].bool_param)
                np.testing.assert_allclose(result.as_numpy("logits")[0], expected[i % len(SENTENCES)], atol=1e-5)
            result, error = answers.get(timeout=60)
            self.assertIn("nobody", error.message())
            result, error = answers.get(timeout=60)
            self.assertEqual(result.get_response().id, "last")
            client.stop_stream()

    def test_a_stream_ends_with_the_status_for_who_asks_for_it(self):
        answers = queue.Queue()
        with triton.InferenceServerClient(self.server.address) as client:
            client.start_stream(lambda result, error: answers.put((result, error)), headers={"triton_grpc_error": "true"})
            client.async_stream_infer("nobody", texts(["a"]))
            _, error = answers.get(timeout=60)
            self.assertIn("NOT_FOUND", str(error.status()))

    def test_the_asyncio_client_streams_too(self):
        async def ask():
            async def requests():
                for i, text in enumerate(SENTENCES):
                    yield {"model_name": "reviews", "inputs": texts([text]), "request_id": str(i)}
            found = []
            async with triton_aio.InferenceServerClient(self.server.address) as client:
                self.assertTrue(await client.is_model_ready("reviews"))
                await client.infer("reviews", texts(["a"]))
                async for result, error in client.stream_infer(requests()):
                    self.assertIsNone(error)
                    found.append(result.get_response().id)
            return found
        self.assertEqual(asyncio.run(ask()), [str(i) for i in range(len(SENTENCES))])

    # --- what perf_analyzer reads ---

    def test_statistics_add_up(self):
        def read():
            stats = self.client.get_inference_statistics("reviews", "2").model_stats[0]
            return stats.inference_count, stats.execution_count, stats.inference_stats.success.count
        before = read()
        for _ in range(3):
            self.logits(SENTENCES)
        rows, batches, requests = (after - then for after, then in zip(read(), before))
        self.assertEqual((rows, requests), (3 * len(SENTENCES), 3))
        self.assertEqual(batches, 3)
        stats = self.client.get_inference_statistics().model_stats
        self.assertEqual([(entry.name, entry.version) for entry in stats], [("reviews", "1"), ("reviews", "2")])
        for part in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
            self.assertGreater(getattr(stats[1].inference_stats, part).count, 0, part)
        self.assertEqual(sum(entry.compute_infer.count for entry in stats[1].batch_stats), stats[1].execution_count)

    def test_advertises_what_works(self):
        self.assertEqual(sorted(self.client.get_server_metadata().extensions),
                         ["classification", "model_configuration", "model_repository", "parameters", "schedule_policy",
                          "statistics"])

    # --- loading and unloading, on servers of their own ---

    def states(self, client):
        return {(entry.name, entry.version): (entry.state, entry.reason)
                for entry in client.get_model_repository_index().models}

    def test_a_model_comes_goes_and_changes_by_call(self):
        folder = self.cluster.folder / "changing"
        shutil.copytree(self.repository / "reviews" / "1", folder / "m" / "1")
        with Server(folder) as server, triton.InferenceServerClient(server.address) as client:
            client.unload_model("m")
            self.assertEqual(self.states(client), {("m", "1"): ("UNAVAILABLE", "unloaded")})
            self.refused("UNAVAILABLE", client.infer, "m", texts(["a"]), words="unloaded")
            client.load_model("m")
            self.assertEqual(client.infer("m", texts(["a"])).get_response().model_version, "1")
            shutil.copytree(folder / "m" / "1", folder / "m" / "2")
            (folder / "m" / "2" / "config.json").write_text("{")
            with self.assertRaises(triton.InferenceServerException):
                client.load_model("m")
            self.assertEqual(self.states(client)["m", "1"][0], "READY")
            self.assertEqual(self.states(client)["m", "2"][0], "UNAVAILABLE")
            shutil.copy(folder / "m" / "1" / "config.json", folder / "m" / "2" / "config.json")
            client.load_model("m")
            self.assertEqual(client.infer("m", texts(["a"])).get_response().model_version, "2")
            self.refused("NOT_FOUND", client.load_model, "nobody", words="there are: m")
            self.refused("UNIMPLEMENTED", client.load_model, "m", config="{}")
            ready = client._client_stub.RepositoryIndex(triton.service_pb2.RepositoryIndexRequest(ready=True))
            self.assertEqual([(entry.name, entry.version) for entry in ready.models], [("m", "2")])

    def test_a_model_answers_while_it_is_loaded_again_and_again(self):
        with Server(self.repository) as server, triton.InferenceServerClient(server.address) as client:
            expected, stop = self.logits(SENTENCES), threading.Event()

            def change():
                with triton.InferenceServerClient(server.address) as other:
                    while not stop.is_set():
                        (self.repository / "reviews" / "2" / "config.json").touch()  # changed, to whoever looks at times
                        other.load_model("reviews")

            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                changes = [pool.submit(change) for _ in range(2)]
                try:
                    for _ in range(100):
                        found = client.infer("reviews", texts(SENTENCES)).as_numpy("logits")
                        np.testing.assert_allclose(found, expected, atol=1e-5)
                finally:
                    stop.set()
            for done in changes:
                done.result()

    def test_memory_comes_back_after_unloading(self):
        with Server(self.repository) as server, triton.InferenceServerClient(server.address) as client:
            def cycle():
                client.infer("reviews", texts(SENTENCES * 20))
                client.unload_model("reviews")
                client.load_model("reviews")
            for _ in range(10):
                cycle()
            before = server.resident()
            for _ in range(CYCLES):
                cycle()
            self.assertLess(server.resident(), 1.05 * before)

    def test_kserves_client_works(self):
        with Server(self.repository) as server:
            done = subprocess.run([sys.executable, HERE / "kserve_probe.py", server.address, "reviews"], text=True,
                                  capture_output=True, timeout=120)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_in_managed_mode_the_endpoints_rule(self):
        with triton.InferenceServerClient(self.cluster.serve) as client:
            for change in (client.load_model, client.unload_model):
                self.refused("FAILED_PRECONDITION", change, "reviews", words="espalier endpoints")
            self.assertNotIn("model_repository", client.get_server_metadata().extensions)


if __name__ == "__main__":
    unittest.main()
