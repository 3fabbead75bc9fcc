"""KServe's own REST client against a running espalier-serve; exit code 1 with what differs.

    kserve_rest_probe.py URL MODEL
"""
import asyncio
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve_probe import check_answer


def texts(rows, binary):
    tensor = InferInput("text", [len(rows)], "BYTES")
    tensor.set_data_from_numpy(np.array([row.encode() for row in rows], dtype=np.object_), binary_data=binary)
    return [tensor]


async def probe(url, model):
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(url) and await client.is_server_ready(url)
    assert await client.is_model_ready(url, model)
    for binary in (True, False):
        request = InferRequest(model, texts(["a fine film", "a dull one"], binary), request_id="7")
        answer = await client.infer(url, request, model_name=model)
        check_answer(answer, model)
    try:
        await client.infer(url, InferRequest("nobody", texts(["a"], False)), model_name="nobody")
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 404 and "nobody" in str(error), error
    else:
        raise AssertionError("an unknown model answers")
    await client.close()


if __name__ == "__main__":
    asyncio.run(probe(*sys.argv[1:]))
    print("kserve over REST: all as it should be")
