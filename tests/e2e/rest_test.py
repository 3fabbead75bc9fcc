"""REST /v2 with clients as they are published: tritonclient.http (sync, async, asyncio; JSON and binary data), KServe's,
curl and plain sockets, against the endpoints of a cluster, and a static server where models come and go."""
import asyncio
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

import numpy as np
import tiny
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from cluster import Cluster, wait_for
from protocol_test import Server

HERE = pathlib.Path(__file__).resolve().parent
SENTENCES = [f"the {good} plot was {bad}" for good, bad in zip(tiny.GOOD, tiny.BAD)]
OUTPUTS = ("logits", "probabilities", "label", "exit_layer", "confidence")
DURATIONS = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
LIMIT = 32 << 20  # of a body


def texts(rows, binary=True, client=triton):
    tensor = client.InferInput("text", [len(rows)], "BYTES")
    values = np.array([row.encode() for row in rows], dtype=np.object_)
    tensor.set_data_from_numpy(values, **({} if client is triton_grpc else {"binary_data": binary}))
    return [tensor]


def answers(result):
    return {name: result.as_numpy(name) for name in OUTPUTS}


def json_body(rows):
    return json.dumps({"inputs": [{"name": "text", "shape": [len(rows)], "datatype": "BYTES", "data": rows}]})


class Rest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cluster = cls.cluster = cls.enterClassContext(Cluster())
        tiny.train_dense(cluster)
        cluster.cli("endpoints", "set", "reviews", "dense")
        cls.client = triton.InferenceServerClient(cluster.serve_http, concurrency=4)
        cls.addClassCleanup(cls.client.close)
        wait_for("the endpoint", lambda: cls.client.is_model_ready("reviews"))
        with triton_grpc.InferenceServerClient(cluster.serve) as client:
            cls.expected = answers(client.infer("reviews", texts(SENTENCES, client=triton_grpc)))

    def assert_expected(self, found):
        for name, value in self.expected.items():
            if value.dtype == np.float32:
                np.testing.assert_allclose(found[name], value, atol=1e-5)
            elif value.dtype == np.object_:  # JSON has strings where binary data has bytes
                self.assertEqual([str(x) if isinstance(x, str) else x.decode() for x in found[name].flat],
                                 [x.decode() for x in value.flat])
            else:
                np.testing.assert_array_equal(found[name], value)

    def url(self, path):
        return f"http://{self.cluster.serve_http}{path}"

    def curl(self, path, *arguments):
        done = subprocess.run(["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", "60",
                               *arguments, self.url(path)], capture_output=True, timeout=90)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def connect(self):
        host, port = self.cluster.serve_http.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=60)

    # --- tritonclient ---

    def test_json_and_binary_data_give_what_grpc_gives(self):
        for binary_in in (True, False):
            for binary_out in (True, False):
                with self.subTest(binary_in=binary_in, binary_out=binary_out):
                    wanted = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in OUTPUTS]
                    result = self.client.infer("reviews", texts(SENTENCES, binary_in), outputs=wanted, request_id="7")
                    self.assert_expected(answers(result))
                    self.assertEqual(result.get_response()["id"], "7")
                    self.assertFalse(result.get_response()["parameters"]["truncated"])
        self.assert_expected(answers(self.client.infer("reviews", texts(SENTENCES))))  # all outputs, binary

    def test_ids_go_as_json_and_as_binary_data(self):
        def ask(binary):
            tensors = []
            for name, values in (("input_ids", [[2, 5, 6, 3], [2, 7, 3, 0]]), ("attention_mask", [[1, 1, 1, 1], [1, 1, 1, 0]])):
                tensors.append(triton.InferInput(name, [2, 4], "INT64"))
                tensors[-1].set_data_from_numpy(np.array(values, np.int64), binary_data=binary)
            return self.client.infer("reviews", tensors).as_numpy("logits")
        np.testing.assert_allclose(ask(True), ask(False), atol=1e-5)

    def test_async_calls_answer_as_sync_ones_do(self):
        calls = [self.client.async_infer("reviews", texts([text])) for text in SENTENCES]
        logits = np.concatenate([call.get_result().as_numpy("logits") for call in calls])
        np.testing.assert_allclose(logits, self.expected["logits"], atol=1e-5)

    def test_the_asyncio_client_works_too(self):
        async def ask():
            async with triton_aio.InferenceServerClient(self.cluster.serve_http) as client:
                self.assertTrue(await client.is_server_ready())
                return await asyncio.gather(*(client.infer("reviews", texts([text])) for text in SENTENCES))
        logits = np.concatenate([result.as_numpy("logits") for result in asyncio.run(ask())])
        np.testing.assert_allclose(logits, self.expected["logits"], atol=1e-5)

    def test_what_there_is_to_read(self):
        client = self.client
        self.assertTrue(client.is_server_live() and client.is_server_ready())
        self.assertFalse(client.is_model_ready("nobody"))
        self.assertIn("binary_tensor_data", client.get_server_metadata()["extensions"])
        metadata = client.get_model_metadata("reviews")
        self.assertEqual({tensor["name"]: tensor["datatype"] for tensor in metadata["outputs"]}["logits"], "FP32")
        self.assertIn("dense", json.dumps(metadata["versions"]))
        config = client.get_model_config("reviews", metadata["versions"][0])
        self.assertGreater(config["max_batch_size"], 0)
        index = client.get_model_repository_index()
        self.assertEqual({entry["name"]: entry["state"] for entry in index}["reviews"], "READY")

    def test_statistics_add_up(self):
        def rows():
            return sum(entry["inference_count"] for entry in self.client.get_inference_statistics("reviews")["model_stats"])
        before = rows()
        self.client.infer("reviews", texts(SENTENCES))
        self.assertEqual(rows() - before, len(SENTENCES))

    def test_classification_names_the_best_classes(self):
        wanted = triton.InferRequestedOutput("probabilities", class_count=2)
        found = self.client.infer("reviews", texts(SENTENCES), outputs=[wanted]).as_numpy("probabilities")
        self.assertEqual(found.shape, (len(SENTENCES), 2))
        best = [row[0].decode().split(":")[2] for row in found]
        self.assertEqual(best, [label.decode() for label in self.expected["label"]])

    def refused(self, status, words, function, *arguments, **options):
        with self.assertRaises(triton.InferenceServerException) as caught:
            function(*arguments, **options)
        self.assertEqual(caught.exception.status(), str(status), caught.exception)
        self.assertIn(words, caught.exception.message())

    def test_errors_have_a_status_and_a_sentence(self):
        infer = self.client.infer
        self.refused(404, "nobody", infer, "nobody", texts(["a"]))
        self.refused(404, "served:", infer, "reviews", texts(["a"]), model_version="9")
        self.refused(400, "exit_treshold", infer, "reviews", texts(["a"]), parameters={"exit_treshold": 0.5})
        self.refused(400, "known: logits", infer, "reviews", texts(["a"]), outputs=[triton.InferRequestedOutput("logit")])
        self.refused(503, "time is over", infer, "reviews", texts(["a"] * 500), timeout=1)
        self.refused(415, "gzip", infer, "reviews", texts(["a"]), request_compression_algorithm="gzip")
        self.refused(501, "shared memory", self.client.get_system_shared_memory_status)
        self.refused(400, "espalier endpoints", self.client.unload_model, "reviews")  # managed: endpoints rule

    def test_models_come_and_go_by_call(self):
        self.cluster.cli("artifacts", "download", "dense", self.cluster.folder / "artifact")
        folder = self.cluster.folder / "repository"
        shutil.copytree(self.cluster.folder / "artifact", folder / "m" / "1")
        with Server(folder) as server, triton.InferenceServerClient(server.http) as client:
            client.unload_model("m")
            self.assertFalse(client.is_model_ready("m"))
            self.refused(503, "unloaded", client.infer, "m", texts(["a"]))
            client.load_model("m")
            # What perf_analyzer reads before its first request: every duration, those of a cache too.
            stats = client.get_inference_statistics("m")["model_stats"][0]
            self.assertEqual((stats["version"], stats["inference_count"], stats["execution_count"]), ("1", 0, 0))
            self.assertEqual(stats["inference_stats"], {part: {"count": 0, "ns": 0} for part in DURATIONS})
            self.assertEqual(client.infer("m", texts(["a"]), model_version="1").get_response()["model_version"], "1")
            stats = client.get_inference_statistics("m")["model_stats"][0]
            self.assertEqual([entry["batch_size"] for entry in stats["batch_stats"]], [1])
            self.assertGreater(stats["batch_stats"][0]["compute_infer"]["ns"], 0)
            self.assertGreater(stats["last_inference"], 0)
            self.refused(501, "config", client.load_model, "m", config="{}")

    # --- KServe's client ---

    def test_kserves_client_works(self):
        done = subprocess.run([sys.executable, HERE / "kserve_rest_probe.py", self.url(""), "reviews"], text=True,
                              capture_output=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    # --- curl ---

    def test_curl_asks_in_json(self):
        answer = json.loads(self.curl("/v2/models/reviews/infer", "--data", json_body(SENTENCES)))
        labels = next(output["data"] for output in answer["outputs"] if output["name"] == "label")
        self.assertEqual(labels, [label.decode() for label in self.expected["label"]])
        nested = json_body(SENTENCES).replace(f"[{len(SENTENCES)}]", f"[{len(SENTENCES)}, 1]")
        self.assertEqual(json.loads(self.curl("/v2/models/reviews/infer", "--data", nested))["outputs"], answer["outputs"])

    def test_curl_asks_for_the_head_alone_and_sends_in_chunks(self):
        head = self.curl("/v2/health/ready", "--head")
        self.assertTrue(head.startswith(b"HTTP/1.1 200"), head)
        answer = self.curl("/v2/models/reviews/infer", "--data", json_body(SENTENCES), "--header", "Transfer-Encoding: chunked")
        self.assertEqual(json.loads(answer)["outputs"][0]["shape"][0], len(SENTENCES))

    def test_curl_sends_a_text_as_the_whole_body(self):
        answer = self.curl("/v2/models/reviews/infer", "--data-binary", SENTENCES[0], "--include",
                           "--header", "Inference-Header-Content-Length: 0")
        head, body = answer.split(b"\r\n\r\n", 1)
        size = next(int(line.split(b":")[1]) for line in head.splitlines() if line.startswith(b"Inference-Header-Content"))
        logits = next(output for output in json.loads(body[:size])["outputs"] if output["name"] == "logits")
        self.assertEqual(logits["parameters"]["binary_data_size"], 8)

    def test_curl_sends_megabytes_after_asking_first(self):
        text = "great " * 40_000  # curl asks before it sends more than a MiB: Expect: 100-continue
        (self.cluster.folder / "large.json").write_text(json_body([text] * 6))
        answer = self.curl("/v2/models/reviews/infer", "--data-binary", f"@{self.cluster.folder}/large.json",
                           "--header", "Expect: 100-continue")
        self.assertTrue(json.loads(answer)["parameters"]["truncated"])

    def test_a_body_above_the_limit_is_refused_with_its_limit(self):
        (self.cluster.folder / "huge").write_bytes(b" " * (LIMIT + 1))
        answer = self.curl("/v2/models/reviews/infer", "--data-binary", f"@{self.cluster.folder}/huge",
                           "--write-out", "%{http_code}")
        self.assertIn(str(LIMIT).encode(), answer)
        self.assertTrue(answer.endswith(b"413"), answer)

    # --- plain sockets ---

    def request(self, rows, more=""):
        body = json_body(rows)
        return (f"POST /v2/models/reviews/infer HTTP/1.1\r\nHost: x\r\n{more}Content-Length: {len(body)}\r\n\r\n"
                + body).encode()

    def test_pipelined_requests_are_answered_in_their_order(self):
        with self.connect() as connection:
            connection.sendall(b"".join(self.request([text]) for text in SENTENCES)
                               + b"GET /v2/health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), len(SENTENCES) + 1)
        self.assertTrue(answer.endswith(b'{"ready":true}'), answer[-200:])

    def test_what_is_no_request_is_refused(self):
        with self.connect() as connection:
            connection.sendall(b"hello\r\n\r\n")
            self.assertTrue(connection.recv(65536).startswith(b"HTTP/1.1 400"))
        for path, code in (("/", 404), ("/v2/models/reviews/infer", 405)):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(self.url(path), timeout=30)
            self.assertEqual(caught.exception.code, code)
            self.assertIn("error", json.load(caught.exception))
            caught.exception.close()

    def test_clients_that_hang_up_leave_the_server_serving(self):
        for _ in range(30):
            with self.connect() as connection:
                connection.sendall(self.request(SENTENCES * 50))
            with self.connect() as connection:
                connection.sendall(self.request(SENTENCES)[:-20])
        self.assert_expected(answers(self.client.infer("reviews", texts(SENTENCES))))

    def test_metrics_name_routes_and_no_models(self):
        self.client.infer("reviews", texts(["a"]))
        page = self.cluster.get(self.cluster.serve_admin, "/metrics")
        self.assertIn('espalier_http_requests_total{code="200",route="infer"}', page)
        self.assertIn('espalier_http_duration_seconds_count{route="infer"}', page)


if __name__ == "__main__":
    unittest.main()
