"""KServe's own client against a running espalier-serve; exit code 1 with what differs.

    kserve_probe.py ADDRESS MODEL

A program of its own: KServe and tritonclient bring two descriptions of package `inference`, and a process takes one.
Loads and unloads by the messages that KServe's stub has for them, which differ from Triton's.
"""
import asyncio
import sys

import grpc
import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages


def texts(rows):
    tensor = InferInput("text", [len(rows)], "BYTES")
    tensor.set_data_from_numpy(np.array([row.encode() for row in rows], dtype=np.object_), binary_data=False)
    return tensor


def check_answer(answer, model):
    """Two rows of logits, and the request's id, in what either client makes of an answer."""
    shapes = {output.name: list(output.shape) for output in answer.outputs}
    assert shapes["logits"] == [2, 2] and shapes["exit_layer"] == [2], shapes
    assert answer.id == "7" and answer.model_name == model, answer
    logits = next(output for output in answer.outputs if output.name == "logits").as_numpy()
    assert logits.shape == (2, 2) and np.isfinite(logits).all(), logits


async def probe(address, model):
    async with InferenceGRPCClient(address) as client:
        assert await client.is_server_live() and await client.is_server_ready()
        assert await client.is_model_ready(model)
        answer = await client.infer(InferRequest(model, [texts(["a fine film", "a dull one"])], request_id="7"))
        check_answer(answer, model)
        try:
            await client.infer(InferRequest(model + "-that-nobody-serves", [texts(["a"])]))
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
        else:
            raise AssertionError("an unknown model answers")

        stub = client._client_stub  # the client itself has no calls for these
        gone = await stub.RepositoryModelUnload(messages.RepositoryModelUnloadRequest(model_name=model))
        assert gone.model_name == model and gone.isUnloaded, gone
        assert not await client.is_model_ready(model)
        back = await stub.RepositoryModelLoad(messages.RepositoryModelLoadRequest(model_name=model))
        assert back.model_name == model and back.isLoaded, back
        assert await client.is_model_ready(model)


if __name__ == "__main__":
    asyncio.run(probe(*sys.argv[1:]))
    print("kserve: all as it should be")
