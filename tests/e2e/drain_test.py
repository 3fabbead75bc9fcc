"""SIGTERM of espalier-serve under load: what was accepted is answered, the rest is turned away before it starts."""
import http.client
import json
import os
import signal
import threading
import time
import unittest

import tiny
import tritonclient.grpc as triton
from cluster import Cluster, wait_for

CLIENTS = 8
ROWS = 32


class Client(threading.Thread):
    """Asks without pause from its start until stop(); keeps every answer and every refusal."""

    def __init__(self, address, model, texts):
        super().__init__()
        self.address, self.model, self.texts = address, model, texts
        self.answers, self.refusals = [], []
        self.stopped = threading.Event()

    def stop(self):
        self.stopped.set()
        self.join()

    def run(self):
        with triton.InferenceServerClient(self.address) as client:
            while not self.stopped.is_set():
                try:
                    result = client.infer(self.model, [self.texts], client_timeout=30)
                    self.answers.append((time.monotonic(), result.as_numpy("logits").tobytes()))
                except triton.InferenceServerException as error:
                    self.refusals.append((str(error.status()), error.message()))
                    time.sleep(0.25)  # who is refused backs off


class RestClient(threading.Thread):
    """The same over REST, on a connection that is kept until the server ends it."""

    def __init__(self, address, model, rows):
        super().__init__()
        self.address, self.path = address, f"/v2/models/{model}/infer"
        self.body = json.dumps({"inputs": [{"name": "text", "shape": [len(rows)], "datatype": "BYTES", "data": rows}],
                                "outputs": [{"name": "label"}]})
        self.answers, self.refusals = [], []
        self.lost = []  # what became of a request on a connection that had answered before
        self.stopped = threading.Event()

    def stop(self):
        self.stopped.set()
        self.join()

    def run(self):
        connection, kept = http.client.HTTPConnection(self.address, timeout=30), False
        while not self.stopped.is_set():
            try:
                connection.request("POST", self.path, self.body)
                response = connection.getresponse()
                answer = json.load(response)
                kept = not response.will_close
            except (OSError, http.client.HTTPException) as error:
                if kept:
                    self.lost.append(repr(error))
                connection.close()  # the next request opens another
                kept = False
                time.sleep(0.25)
                continue
            if response.status == 200:
                self.answers.append((time.monotonic(), str(answer["outputs"][0]["data"])))
            else:
                self.refusals.append((response.status, answer["error"]))
                time.sleep(0.25)
        connection.close()


class Drain(unittest.TestCase):
    def test_a_terminated_server_answers_what_it_accepted(self):
        with Cluster() as cluster:
            tiny.train_dense(cluster)
            cluster.cli("endpoints", "set", "dense", "dense")
            wait_for("the endpoint", lambda: cluster.cli("predict", "dense", "a film", check=False).returncode == 0)

            texts = triton.InferInput("text", [ROWS], "BYTES")
            sentences = [f"the {good} plot was {bad}" for good in tiny.GOOD for bad in tiny.BAD][:ROWS]
            texts.set_data_from_numpy(triton.np.array([text.encode() for text in sentences], dtype=object))
            clients = [Client(cluster.serve, "dense", texts) for _ in range(CLIENTS)]
            rest = [RestClient(cluster.serve_http, "dense", sentences) for _ in range(CLIENTS // 2)]
            for client in clients + rest:
                client.start()
            wait_for("answers for all", lambda: all(len(client.answers) >= 5 for client in clients + rest))
            before = cluster.pid_of("espalier-serve")
            os.kill(before, signal.SIGTERM)
            told = time.monotonic()
            wait_for("another server", lambda: cluster.pid_of("espalier-serve") not in (None, before))
            back = time.monotonic()
            wait_for("answers again", lambda: all(client.answers[-1][0] > back for client in clients + rest))
            for client in clients + rest:
                client.stop()
            log = (cluster.folder / "data/logs/espalier-serve.log").read_text()

        answers = [answer for client in clients for answer in client.answers]
        self.assertEqual(len({logits for _, logits in answers}), 1, "the same request got different answers")
        self.assertTrue(any(told < when < back for when, _ in answers), "nothing was served while it drained")
        over_rest = [answer for client in rest for answer in client.answers]
        self.assertEqual(len({labels for _, labels in over_rest}), 1, "the same request got different answers")
        self.assertTrue(any(told < when < back for when, _ in over_rest), "nothing was served while it drained")
        self.assertEqual([error for client in rest for error in client.lost], [])
        self.assertLessEqual({status for client in rest for status, _ in client.refusals}, {503})
        # No handler saw its call go: what was cancelled had not been accepted. (A call that reaches a connection
        # while gRPC closes the server is cancelled by gRPC before any handler hears of it.)
        self.assertIn("draining", log)
        self.assertNotIn("went before the answer", log)
        for status, message in (refusal for client in clients for refusal in client.refusals):
            if (status, message) == ("StatusCode.CANCELLED", "CANCELLED"):
                continue
            self.assertIn("UNAVAILABLE", status, message)
            # gRPC's words for a call that had reached the server when the connection went.
            for lost in ("Socket closed", "reset by peer", "Broken pipe", "Cancelled"):
                self.assertNotIn(lost, message)


if __name__ == "__main__":
    unittest.main()
