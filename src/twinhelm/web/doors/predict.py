"""The doors to models: Open Inference Protocol v2 at ``/v2``, MLflow's scoring at ``/models``.

Raw ASGI, since at a row a request a framework would cost more than the model. A body is taken in
within ``models.max_predict_bytes`` and handed on as it is; what comes back is sent as it is. The
prediction's id, by which its label is told later, stands in the header ``x-prediction-id`` and,
in v2, in ``id``. Errors are told as the caller's protocol tells them. An address with a version
(``/v2/models/NAME/versions/3/infer``) reaches it only while it answers: see
:mod:`twinhelm.mlops.deploy.serving`.

Source: Open Inference Protocol v2, "HTTP/REST"; MLflow, "Local inference server specification".
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version as version_of
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from twinhelm.core.errors import BadInput, NotFound, TooLarge, TwinhelmError
from twinhelm.core.settings import Settings
from twinhelm.mlops.deploy import Form, Serving
from twinhelm.mlops.types import Field
from twinhelm.web.body import Intray, TooSlow
from twinhelm.web.frame import (
    JSON,
    Answer,
    Headers,
    json_answer,
    media_type,
    mlflow_refusal,
    retry_after,
    send_answer,
    unsupported,
)

__all__ = ["PredictDoor"]

MOST_IN_FLIGHT = 1024
"""Requests that wait for an answer at once; each worker has a bound of its own."""

TEXT = b"text/plain; charset=utf-8"
DATATYPES = {
    "double": "FP64", "float": "FP32", "long": "INT64", "integer": "INT32", "boolean": "BOOL",
    "float64": "FP64", "float32": "FP32", "float16": "FP16", "int64": "INT64", "int32": "INT32",
    "int16": "INT16", "int8": "INT8", "uint64": "UINT64", "uint32": "UINT32",
    "uint16": "UINT16", "uint8": "UINT8", "bool": "BOOL",
}  # fmt: skip
"""From the words of MLflow's signatures; what is not here travels as BYTES."""


class PredictDoor:
    """An ASGI application for both protocols."""

    def __init__(self, serving: Serving, settings: Settings) -> None:
        self._serving = serving
        limits = settings.limits.model_copy(
            update={
                "max_body_bytes": settings.models.max_predict_bytes,
                "max_requests_in_flight": MOST_IN_FLIGHT,
            }
        )
        self._tray = Intray(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: Headers = scope["state"]["headers"]
        parts = scope["path"].strip("/").split("/")
        form = Form.V2 if parts[0] == "v2" else Form.MLFLOW
        try:
            if scope["method"] == "POST":
                answer = await self._asked(form, parts, headers, receive)
            else:
                answer = self._told(form, parts)
        except ClientDisconnect:
            return
        except TwinhelmError as error:
            answer = _failed(form, error)
            if isinstance(error, TooSlow | TooLarge):
                # The rest of the body is still on its way; nobody will read it.
                answer = replace(answer, close=True)
        await send_answer(send, answer)

    async def _asked(
        self, form: Form, parts: list[str], headers: Headers, receive: Receive
    ) -> Answer:
        product, version, verb = _address(parts)
        if verb not in ("infer", "invocations"):
            raise NotFound(f"a model takes no {verb!r}", hint="infer, or invocations below /models")
        kind = media_type(headers)
        if kind not in ("", "application/json"):
            raise unsupported(kind, "application/json")
        if b"inference-header-content-length" in headers:
            raise unsupported("binary tensors", "tensors as JSON", what="extension")
        coding = headers.get(b"content-encoding", b"identity").decode("latin-1")
        if coding != "identity":
            raise unsupported(coding, "the body as it is", what="encoding")
        try:
            async with self._tray.taken(headers, receive) as body:
                reply = await self._serving.predict(product, form, body, version=version)
        except TooLarge as error:
            hint = "send fewer rows at once, or raise models.max_predict_bytes"
            raise TooLarge(error.message, hint=hint) from error
        told = (b"x-prediction-id", reply.id.encode("utf-8", "replace"))
        return Answer(reply.status, reply.body, JSON, (told,) if _sendable(reply.id) else ())

    def _told(self, form: Form, parts: list[str]) -> Answer:
        """Answer what asks for no prediction."""
        serving = self._serving
        if parts == ["v2"]:
            said = {"name": "twinhelm", "version": version_of("twinhelm"), "extensions": []}
            return json_answer(said)
        if parts[1:] == ["health", "live"]:
            return json_answer({"live": True})
        if parts[1:] == ["health", "ready"]:
            ready = serving.ready()
            return json_answer({"ready": ready, "live": ready}, 200 if ready else 503)
        product, version, verb = _address(parts)
        about = serving.about(product, version)
        if form is Form.MLFLOW:
            if verb == "version":
                return Answer(200, about.mlflow_version.encode(), TEXT)
            if verb not in ("ping", "health"):
                raise NotFound(f"a model tells no {verb!r}", hint="ping, health or version")
            return Answer(200 if about.ready else 503, b"\n", TEXT)
        if verb == "ready":
            state = {"name": product, "ready": about.ready}
            return json_answer(state, 200 if about.ready else 503)
        if verb:
            raise NotFound(f"a model tells no {verb!r}", hint="its metadata, or ready")
        told: dict[str, Any] = {
            "name": product,
            "versions": list(about.versions),
            "platform": f"mlflow_{about.platform}",
            "inputs": [_described(each) for each in about.schema.inputs],
            "outputs": [_described(each) for each in about.schema.outputs],
        }
        return json_answer(told)


def _address(parts: list[str]) -> tuple[str, str, str]:
    """Read product, version and verb of an address below ``/v2/models`` or ``/models``."""
    rest = parts[2:] if parts[0] == "v2" else parts[1:]
    version = ""
    if len(rest) > 2 and rest[1] == "versions":
        rest, version = [rest[0], *rest[3:]], rest[2]
    if not rest or len(rest) > 2:
        raise BadInput("the address names no model", hint="/v2/models/NAME/infer")
    return rest[0], version, rest[1] if len(rest) > 1 else ""


def _described(field: Field) -> dict[str, Any]:
    shape = list(field.shape) or [-1]
    datatype = DATATYPES.get(field.type, "BYTES")
    return {"name": field.name or "input-0", "datatype": datatype, "shape": shape}


def _failed(form: Form, error: TwinhelmError) -> Answer:
    """Say no in the caller's protocol."""
    if form is Form.V2:
        return json_answer({"error": str(error)}, error.status, retry_after(error))
    return mlflow_refusal(error)


def _sendable(name: str) -> bool:
    """Tell whether an id, which a caller may have chosen, can stand in a header."""
    return name.isascii() and name.isprintable()
