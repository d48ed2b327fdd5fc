"""The doors to models: Open Inference Protocol v2 at ``/v2``, MLflow's scoring at ``/models``.

Raw ASGI, since at a row a request a framework would cost more than the model. A body is taken in
within ``models.max_predict_bytes``, unpacked where it came compressed, and handed on as it is;
what comes back is sent as it is. Tensors may come and go as raw bytes behind the JSON, by the
protocol's extension ``binary_tensor_data``: what is read of them here is the header that says
where the JSON ends. The prediction's id, by which its label is told later, stands in the header
``x-prediction-id`` and, in v2, in ``id``. Errors are told as the caller's protocol tells them. An
address with a version (``/v2/models/NAME/versions/3/infer``) reaches it only while it answers: see
:mod:`twinhelm.mlops.deploy.serving`.

Source: Open Inference Protocol v2, "HTTP/REST"; Triton Inference Server, "Binary Tensor Data
Extension"; MLflow, "Local inference server specification".
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib.metadata import version as version_of
from typing import Any

from starlette.types import Receive, Scope, Send

from twinhelm.core.errors import BadInput, NotFound, TooLarge, TwinhelmError
from twinhelm.core.settings import Settings
from twinhelm.mlops.deploy import Form, Serving, bind, datatype_of, unbind
from twinhelm.mlops.types import Field
from twinhelm.web.body import Intray, answered
from twinhelm.web.frame import (
    JSON,
    Answer,
    Headers,
    json_answer,
    media_type,
    mlflow_refusal,
    retry_after,
    unsupported,
)

__all__ = ["PredictDoor"]

MOST_IN_FLIGHT = 1024
"""Requests that wait for an answer at once; each worker has a bound of its own."""

TEXT, RAW = b"text/plain; charset=utf-8", b"application/octet-stream"
JSON_LENGTH = b"inference-header-content-length"
EXTENSIONS = ["binary_tensor_data"]


class PredictDoor:
    """An ASGI application for both protocols."""

    def __init__(self, serving: Serving, settings: Settings) -> None:
        self._serving = serving
        most = settings.models.max_predict_bytes
        bounds = {"max_body_bytes": most, "max_requests_in_flight": MOST_IN_FLIGHT}
        self._tray = Intray(settings.limits.model_copy(update=bounds))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        parts = scope["path"].strip("/").split("/")
        form = Form.V2 if parts[0] == "v2" else Form.MLFLOW
        headers = scope["state"]["headers"] if scope["method"] == "POST" else None
        await answered(send, self._answer(form, parts, headers, receive), partial(_failed, form))

    async def _answer(
        self, form: Form, parts: list[str], headers: Headers | None, receive: Receive
    ) -> Answer:
        """Answer a question for a prediction, or without ``headers`` any other."""
        if form is Form.V2 and parts[1:2] not in ([], ["health"], ["models"]):
            said = f"the extension {parts[1]!r} is not offered; {', '.join(EXTENSIONS)} is"
            raise NotFound(said, hint="tensors travel in requests, versions go live by promotion")
        if headers is None:
            return self._told(form, parts)
        product, version, verb = _address(parts)
        if verb not in ("infer", "invocations"):
            hint = "infer, or invocations below /models"
            raise NotFound(f"{verb!r} of a model is not offered", hint=hint)
        length = headers.get(JSON_LENGTH) if form is Form.V2 else None
        kind = media_type(headers)
        if kind not in ("", "application/json") and (kind.encode() != RAW or length is None):
            raise unsupported(kind, "application/json")
        try:
            async with self._tray.taken(headers, receive, unpack=True) as body:
                asked = _bound(body, length)
                reply = await self._serving.predict(product, form, asked, version=version)
        except TooLarge as error:
            hint = "send fewer rows at once, or raise models.max_predict_bytes"
            raise TooLarge(error.message, hint=hint) from error
        head, body = unbind(reply.body)
        told = [(b"x-prediction-id", reply.id.encode())] if _sendable(reply.id) else []
        if head == len(body):
            return Answer(reply.status, body, JSON, tuple(told))
        return Answer(reply.status, body, RAW, (*told, (JSON_LENGTH, b"%d" % head)))

    def _told(self, form: Form, parts: list[str]) -> Answer:
        """Answer what asks for no prediction."""
        serving = self._serving
        if parts == ["v2"]:
            us = {"name": "twinhelm", "version": version_of("twinhelm"), "extensions": EXTENSIONS}
            return json_answer(us)
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
            raise NotFound(
                f"{verb!r} of a model is not offered", hint="its metadata, ready, or infer"
            )
        inputs, outputs = map(_described, (about.schema.inputs, about.schema.outputs))
        told = {"name": product, "versions": about.versions, "inputs": inputs, "outputs": outputs}
        return json_answer({**told, "platform": f"mlflow_{about.platform}"})


def _address(parts: list[str]) -> tuple[str, str, str]:
    """Read product, version and verb of an address below ``/v2/models`` or ``/models``."""
    rest = parts[2:] if parts[0] == "v2" else parts[1:]
    version = ""
    if len(rest) > 2 and rest[1] == "versions":
        rest, version = [rest[0], *rest[3:]], rest[2]
    if not rest or len(rest) > 2:
        raise BadInput("the address names no model", hint="/v2/models/NAME/infer")
    return rest[0], version, rest[1] if len(rest) > 1 else ""


def _bound(body: bytes, length: bytes | None) -> bytes:
    """Let a body with tensors say itself where its JSON ends."""
    if length is None:
        if body.startswith(b"\0"):
            raise BadInput("the body is not JSON", hint="raw tensors come behind JSON and a header")
        return body
    if not length.isdigit() or len(length) > 9 or int(length) > len(body):
        said = f"Inference-Header-Content-Length {length[:40]!r} is no length in {len(body)} bytes"
        raise BadInput(said, hint="it says how many of them are the JSON before the tensors")
    return bind(int(length), body)


def _described(fields: Iterable[Field]) -> list[dict[str, Any]]:
    return [
        {"name": each.name or "input-0", "datatype": datatype_of(each.type),
         "shape": list(each.shape) or [-1]}
        for each in fields
    ]  # fmt: skip


def _failed(form: Form, error: TwinhelmError) -> Answer:
    """Say no in the caller's protocol."""
    if form is Form.MLFLOW:
        return mlflow_refusal(error)
    return json_answer({"error": str(error)}, error.status, retry_after(error))


def _sendable(name: str) -> bool:
    """Tell whether an id, which a caller may have chosen, can stand in a header."""
    return name.isascii() and name.isprintable()
