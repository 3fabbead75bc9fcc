"""Mutated requests over the wire, gRPC and REST, against a static espalier-serve: it answers with the codes that
protocol.md and routes.md name, answers right requests between them rightly, and is as large at the end as it was.

    wire_fuzz_test.py [--requests 100000] [--seed 1]        also: the environment's ESPALIER_WIRE_REQUESTS
"""
import argparse
import collections
import json
import os
import shutil
import socket
import sys
import time
import unittest

import grpc
import numpy as np
import tiny
import tritonclient.grpc as triton
from cluster import Cluster
from protocol_test import Server
from tritonclient.grpc import service_pb2
from wire_mutations import MOST_BODY, SERVICE, Mutations, text_request

REQUESTS = int(os.environ.get("ESPALIER_WIRE_REQUESTS", 5000))
SEED = int(os.environ.get("ESPALIER_WIRE_SEED", 1))
ROUND = 1000  # requests between two looks at the server
GOOD = ["the great plot was dull", "fresh and lovely"]
# UNIMPLEMENTED is also gRPC's own answer to bytes that are no message, RESOURCE_EXHAUSTED to one above the limit.
CODES = {"OK", "NOT_FOUND", "UNAVAILABLE", "INVALID_ARGUMENT", "UNIMPLEMENTED", "DEADLINE_EXCEEDED", "CANCELLED"}
STATUSES = {200, 400, 404, 405, 413, 415, 431, 501, 503}
MOMENT = 0.05  # seconds
SLOW = 20  # connections that send a byte now and then


def plain(channel, method):
    return channel.unary_unary(method, request_serializer=None, response_deserializer=None)


def responses(data):
    """(status, body) of each answer in what a connection gave; a body may be cut off."""
    found = []
    while data:
        head, separator, rest = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1."), data[:200]
        assert separator, data[:200]
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        status, size = int(head.split()[1]), int(fields.get(b"content-length", 0))
        data = rest[size:]
        if status != 100:
            found.append((status, rest[:size], int(fields.get(b"inference-header-content-length", size))))
    return found


def complete(data, count):
    """Whether there are so many whole answers in it."""
    for _ in range(count):
        head, separator, data = data.partition(b"\r\n\r\n")
        if not separator:
            return False
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        if len(data) < size:
            return False
        data = data[size:]
    return True


class WireFuzz(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cls.enterClassContext(Cluster())
        folder, cluster = cls.cluster.folder, cls.cluster
        cluster.cli("models", "upload", "tiny", tiny.write_model(folder / "tiny-bert"))
        cluster.upload_dataset("reviews", tiny.write_dataset(folder / "reviews"))
        cluster.cli("jobs", "submit", "--base", "dense", "--model", "tiny", "--dataset", "reviews", "--name", "dense",
                    "--finetune-epochs", "1", "--watch")
        cluster.cli("artifacts", "download", "dense", folder / "artifact")
        shutil.copytree(folder / "artifact", folder / "repository" / "reviews" / "1")
        cls.serve(folder / "repository", folder / "serve.log")

    @classmethod
    def serve(cls, repository, log):
        cls.log = log
        cls.server = cls.enterClassContext(Server(repository, log=cls.enterClassContext(open(log, "w"))))
        cls.channel = cls.enterClassContext(grpc.insecure_channel(cls.server.address, [
            ("grpc.max_send_message_length", -1)]))
        cls.expected = cls.logits_by_grpc()

    @classmethod
    def logits_by_grpc(cls):
        answer = plain(cls.channel, SERVICE + "ModelInfer")(text_request(GOOD).SerializeToString(), timeout=30)
        response = service_pb2.ModelInferResponse.FromString(answer)
        at = [output.name for output in response.outputs].index("logits")
        return np.frombuffer(response.raw_output_contents[at], "<f4").reshape(len(GOOD), -1)

    def logits_by_rest(self):
        body = json.dumps({"inputs": [{"name": "text", "shape": [len(GOOD)], "datatype": "BYTES", "data": GOOD}]})
        (status, body, _), = responses(self.converse(Mutations(0).post(body.encode()), 1))
        self.assertEqual(status, 200, body)
        logits = next(output for output in json.loads(body)["outputs"] if output["name"] == "logits")
        return np.array(logits["data"]).reshape(logits["shape"])

    def check_server(self, what):
        self.assertIsNone(self.server.process.poll(), f"the server died after {what}")
        np.testing.assert_allclose(self.logits_by_grpc(), self.expected, atol=1e-5)
        np.testing.assert_allclose(self.logits_by_rest(), self.expected, atol=1e-5)

    def connect(self, address):
        host, port = address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=30)

    def converse(self, data, count):
        """What comes back: `count` answers, or without a count whatever comes in a moment, and after our half is closed."""
        answer = b""
        with self.connect(self.server.http) as connection:
            try:
                connection.sendall(data)
                if count is None:
                    connection.settimeout(MOMENT)
                while (count is None or not complete(answer, count)) and (part := connection.recv(65536)):
                    answer += part
            except ConnectionError:
                pass  # it was cut while we sent more than it wanted
            except TimeoutError:
                self.assertIsNone(count, f"{data!r} got only {answer!r}")
                answer += self.last_words(connection)
        return answer

    @staticmethod
    def last_words(connection):
        """A server that waits for the rest of a request gives up once there is none to come."""
        connection.settimeout(30)
        answer = b""
        try:
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            pass
        return answer

    def rounds(self, send):
        """Sends REQUESTS in all; what each is answered is counted."""
        counts, before = collections.Counter(), None
        for done in range(0, REQUESTS, ROUND):
            for number in range(min(ROUND, REQUESTS - done)):
                counts[send(done + number)] += 1
            self.check_server(f"{done + ROUND} requests")
            before = before or self.server.resident()  # of a server that is warm
        self.assertLess(self.server.resident(), 1.1 * before)
        log = self.log.read_text(errors="replace")
        self.assertNotIn("INTERNAL", log)
        self.assertNotIn(": 500 ", log)
        self.assertLess(log.count("\n"), 100 + REQUESTS // 20, "clients fill the log")
        print(f"  {REQUESTS} requests: {dict(counts.most_common())}")
        return counts

    # --- gRPC ---

    def test_mutated_calls_get_documented_codes(self):
        mutations = Mutations(SEED)

        def send(_):
            method, data = mutations.call()
            try:
                plain(self.channel, method)(data, timeout=0.001 if mutations.chance(0.01) else 30)
                return "OK"
            except grpc.RpcError as error:
                code = error.code().name
                self.assertIn(code, CODES, f"{method} {data!r}: {error.details()}")
                return code
        counts = self.rounds(send)
        self.assertGreater(counts["OK"], REQUESTS // 50)
        self.assertGreater(counts["INVALID_ARGUMENT"], REQUESTS // 20)

    def test_mutated_streams_answer_or_end(self):
        mutations = Mutations(SEED + 1)
        stream = self.channel.stream_stream(SERVICE + "ModelStreamInfer", request_serializer=None, response_deserializer=None)
        for _ in range(max(REQUESTS // 20, 1)):
            sent = [mutations.call()[1] if mutations.chance(0.2) else mutations.infer(text_request(GOOD)).SerializeToString()
                    for _ in range(mutations.random.randint(0, 5))]
            try:
                answers = list(stream(iter(sent), timeout=30))
                self.assertLessEqual(len(answers), len(sent))
            except grpc.RpcError as error:
                self.assertIn(error.code().name, CODES, error.details())
        self.check_server("streams")

    def test_a_message_above_the_limit_is_refused(self):
        for _ in range(3):
            with self.assertRaises(grpc.RpcError) as caught:
                plain(self.channel, SERVICE + "ModelInfer")(b"\0" * (MOST_BODY + 1), timeout=60)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.check_server("large messages")

    def test_broken_frames_end_their_own_connection_alone(self):
        mutations = Mutations(SEED + 2)
        for _ in range(max(REQUESTS // 20, 1)):
            with self.connect(self.server.address) as connection:
                try:
                    connection.sendall(mutations.frames())
                    if mutations.chance(0.5):
                        connection.shutdown(socket.SHUT_WR)
                        connection.recv(4096)
                except ConnectionError:
                    pass
        self.check_server("broken frames")

    # --- HTTP ---

    def test_mutated_http_gets_documented_statuses(self):
        mutations = Mutations(SEED + 3)

        def send(_):
            data, count = mutations.http()
            answer = self.converse(data, count)
            found = responses(answer)
            if count is not None:
                self.assertEqual(len(found), count, data)
            for status, body, json_size in found:
                self.assertIn(status, STATUSES, (data, body))
                document = json.loads(body[:json_size])
                if status >= 400 and "ready" not in document:
                    self.assertIsInstance(document["error"], str)
            return found[0][0] if found else "no answer"
        counts = self.rounds(send)
        self.assertGreater(counts[200], REQUESTS // 50)
        self.assertGreater(counts[400], REQUESTS // 20)

    def test_slow_and_silent_clients_keep_nobody_waiting(self):
        request = Mutations(0).post(b"{}")
        connections = [self.connect(self.server.http) for _ in range(SLOW)]
        try:
            for byte in request[:-2]:
                for connection in connections[1:]:  # the first stays silent
                    connection.send(bytes([byte]))
            start = time.monotonic()
            self.check_server("slow clients")
            self.assertLess(time.monotonic() - start, 5)
        finally:
            for connection in connections:
                connection.close()
        self.check_server("slow clients that hung up")


def main():
    global REQUESTS, SEED
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seed", type=int, default=SEED)
    options, rest = parser.parse_known_args()
    REQUESTS, SEED = options.requests, options.seed
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
