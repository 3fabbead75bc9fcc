"""What wire_fuzz_test.py sends: requests that are right, and changes of them by a seed. gRPC as (method, bytes), HTTP as
the bytes of a connection; nothing here opens one."""
import json
import random
import struct

from tritonclient.grpc import service_pb2

SERVICE = "/inference.GRPCInferenceService/"
WORDS = ["", "reviews", "nobody", "1", "9", "text", "text_pair", "input_ids", "attention_mask", "token_type_ids", "BYTES",
         "INT64", "INT32", "FP32", "logits", "probabilities", "label", "exit_layer", "answer", "classification", "timeout",
         "priority", "sequence_id", "max_exit_layer", "exit_threshold", "shared_memory_region", "triton_x", "caf\u00e9"]
EDGES = [-1, 0, 1, 2, 15, 255, 4096, 4097, 65536, 2**31 - 1, -2**31, 2**32, 2**63 - 1, -2**63]
MOST_BODY = 32 << 20


def text_request(texts):
    request = service_pb2.ModelInferRequest(model_name="reviews", id="7")
    tensor = request.inputs.add(name="text", datatype="BYTES", shape=[len(texts)])
    tensor.contents.bytes_contents.extend(text.encode() for text in texts)
    return request


def id_request():
    request = service_pb2.ModelInferRequest(model_name="reviews")
    for name, values in (("input_ids", [2, 5, 6, 3]), ("attention_mask", [1, 1, 1, 1])):
        request.inputs.add(name=name, datatype="INT64", shape=[1, 4])
        request.raw_input_contents.append(struct.pack("<4q", *values))
    return request


# Calls after which the server serves what it served before.
CALLS = {"ModelInfer": [text_request(["the film"]), text_request(["a", "b c"]), id_request()],
         "ServerLive": [service_pb2.ServerLiveRequest()], "ServerReady": [service_pb2.ServerReadyRequest()],
         "ModelReady": [service_pb2.ModelReadyRequest(name="reviews", version="1")],
         "ServerMetadata": [service_pb2.ServerMetadataRequest()],
         "ModelMetadata": [service_pb2.ModelMetadataRequest(name="reviews")],
         "ModelConfig": [service_pb2.ModelConfigRequest(name="reviews")],
         "ModelStatistics": [service_pb2.ModelStatisticsRequest(name="reviews", version="1")],
         "RepositoryIndex": [service_pb2.RepositoryIndexRequest(ready=True)],
         "RepositoryModelLoad": [service_pb2.RepositoryModelLoadRequest(model_name="nobody")],
         "SystemSharedMemoryRegister": [service_pb2.SystemSharedMemoryRegisterRequest(name="r", key="/k", byte_size=4)],
         "TraceSetting": [service_pb2.TraceSettingRequest()], "LogSettings": [service_pb2.LogSettingsRequest()]}


class Mutations:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, share):
        return self.random.random() < share

    # --- bytes ---

    def bytes_of(self, data):
        data = bytearray(data)
        for _ in range(self.random.randint(1, 6)):
            at, size = self.random.randint(0, len(data)), self.random.randint(1, 16)
            what = self.random.randrange(6)
            if what == 0 and data:
                data[at % len(data)] ^= 1 << self.random.randrange(8)
            elif what == 1:
                data[at:at] = self.random.randbytes(size)
            elif what == 2:
                del data[at:at + size]
            elif what == 3:
                data[at:at] = data[at:at + size] * 3
            elif what == 4:
                data[at:at] = self.random.choice(WORDS).encode()
            else:
                data[at:at + 8] = struct.pack("<q", self.random.choice(EDGES))
        return bytes(data)

    # --- gRPC ---

    def call(self):
        """(method, bytes of the request)."""
        method = "ModelInfer" if self.chance(0.7) else self.random.choice(list(CALLS))
        message = self.random.choice(CALLS[method])
        if self.chance(0.02):
            return SERVICE + self.random.choice(["Nothing", "", "modelInfer", "ModelStreamInfer"]), message.SerializeToString()
        if method == "ModelInfer" and self.chance(0.7):
            return SERVICE + method, self.infer(message).SerializeToString()
        return SERVICE + method, self.bytes_of(message.SerializeToString())

    def infer(self, message):
        request = service_pb2.ModelInferRequest()
        request.CopyFrom(message)
        for _ in range(self.random.randint(1, 3)):
            self.change_field(request)
        return request

    def change_field(self, request):
        word, edge = self.random.choice(WORDS), self.random.choice(EDGES)
        tensor = self.random.choice(request.inputs) if request.inputs else request.inputs.add()
        what = self.random.randrange(9)
        if what == 0:
            setattr(request, self.random.choice(["model_name", "model_version", "id"]), word)
        elif what == 1:
            tensor.name = word
        elif what == 2:
            tensor.datatype = word
        elif what == 3:
            tensor.shape[:] = [self.random.choice([edge, 1, 2]) for _ in range(self.random.randint(0, 3))]
        elif what == 4:
            owner = self.random.choice([request, tensor])
            setattr(owner.parameters[word], self.random.choice(["int64_param", "uint64_param"]), abs(edge) % 2**63)
        elif what == 5:
            request.parameters[word].string_param = word
        elif what == 6:
            request.outputs.add(name=word)
        elif what == 7 and request.raw_input_contents:
            at = self.random.randrange(len(request.raw_input_contents))
            request.raw_input_contents[at] = self.bytes_of(request.raw_input_contents[at])
        else:
            tensor.contents.bytes_contents.append(self.random.randbytes(self.random.randint(0, 40)))

    def frames(self):
        """A connection that begins as HTTP/2 does, and goes on as it does not."""
        settings = b"\0\0\0\4\0\0\0\0\0"
        data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings
        for _ in range(self.random.randint(0, 4)):
            body = self.random.randbytes(self.random.randint(0, 64))
            length = len(body) if self.chance(0.7) else self.random.randrange(1 << 24)
            data += struct.pack(">I", length)[1:] + bytes([self.random.randrange(12), self.random.randrange(256)])
            data += struct.pack(">I", self.random.randrange(8)) + body
        return data if self.chance(0.7) else self.bytes_of(data)

    # --- HTTP ---

    def http(self):
        """(bytes of one connection, how many answers it must get; None: any number, as it may be no HTTP at all)."""
        kind = self.random.choices(["body", "binary", "path", "pipeline", "length", "line", "header", "bytes", "chunked"],
                                   [40, 20, 15, 5, 5, 5, 3, 5, 2])[0]
        return getattr(self, f"http_{kind}")()

    def post(self, body, *headers, path="/v2/models/reviews/infer", method="POST", length=None):
        head = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body) if length is None else length}", *headers]
        return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body

    def json(self):
        inputs = [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a film", "b"]}]
        return {"id": "7", "inputs": inputs, "outputs": [{"name": "logits"}], "parameters": {"priority": 1}}

    def value(self):
        return self.random.choice([None, True, self.random.choice(EDGES), 0.5, 1e300, [], {}, [[1], 2],
                                   self.random.choice(WORDS)])

    def changed_json(self):
        document = self.json()
        for _ in range(self.random.randint(1, 3)):
            owner = self.random.choice([document, document["inputs"][0], document["outputs"][0]]
                                       if all(isinstance(document.get(key), list) and document[key]
                                              and isinstance(document[key][0], dict) for key in ("inputs", "outputs"))
                                       else [document])
            owner[self.random.choice([*owner, *WORDS])] = self.value()
        return json.dumps(document).encode()

    def http_body(self):
        body = self.changed_json()
        return self.post(self.bytes_of(body) if self.chance(0.4) else body), 1

    def http_binary(self):
        document, texts = self.json(), [b"a film", b"b"]
        raw = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        del document["inputs"][0]["data"]
        said = self.random.choice([len(raw), len(raw), len(raw) + 1, *EDGES])
        document["inputs"][0]["parameters"] = {"binary_data_size": said}
        document["outputs"][0]["parameters"] = {"binary_data": self.random.choice([True, False, 1])}
        head = json.dumps(document).encode()
        size = self.random.choice([len(head)] * 4 + [len(head) - 1, 0, "x", "", *EDGES])
        tail = raw if self.chance(0.5) else self.bytes_of(raw)
        return self.post(head + tail, f"Inference-Header-Content-Length: {size}"), 1

    def http_path(self):
        part = lambda: self.random.choice(["v2", "models", "reviews", "versions", "1", "infer", "ready", "config", "stats",
                                           "health", "live", "repository", "index", "%00", "%ff", "%", "..", "", "?x=/"])
        path = "/" + "/".join(part() for _ in range(self.random.randint(0, 7)))
        method = self.random.choice(["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
        return self.post(b"", path=path, method=method), 1

    def http_pipeline(self):
        count = self.random.randint(2, 6)
        return b"".join(self.post(self.changed_json()) for _ in range(count)), count

    def http_length(self):
        body = self.changed_json()
        length = self.random.choice(["-1", "x", "", "1e3", str(2**64), str(2**63), str(MOST_BODY + 1), str(len(body) + 5), "0",
                                     f"{len(body)}, {len(body)}", f"{len(body)}\r\nContent-Length: 3"])
        return self.post(body, length=length), None

    def http_line(self):
        good = self.post(self.changed_json())
        line, rest = good.split(b"\r\n", 1)
        line = self.random.choice([self.bytes_of(line), b"", b"GET", b"GET /", b"GET / HTTP/9.9", b"\0" * 20, b"GET " + b"/a" * 9000,
                                   line.replace(b"1.1", b"1.0"), line + b"\r\n folded"])
        return line + b"\r\n" + rest, None

    def http_header(self):
        bomb = self.random.choice([[f"X-{i}: y" for i in range(3000)], ["X: " + "y" * 40000], ["no colon"], ["X\x01: y"],
                                   ["Expect: 100-continue"], ["Expect: more"], ["Content-Encoding: gzip"],
                                   ["Transfer-Encoding: chunked"], ["Connection: upgrade", "Upgrade: h2c"]])
        return self.post(self.changed_json(), *bomb), None

    def http_bytes(self):
        return self.bytes_of(self.post(self.changed_json())), None

    def http_chunked(self):
        body = self.changed_json()
        size = self.random.choice([f"{len(body):x}", "ffffffffffffffff", "-1", "zz", "0"])
        head = b"POST /v2/models/reviews/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        return head + size.encode() + b"\r\n" + body + b"\r\n0\r\n\r\n", None
