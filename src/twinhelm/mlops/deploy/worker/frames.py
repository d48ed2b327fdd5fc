"""How do the house and a model's process speak? In frames over one stream socket.

A frame is a head and two parts: an id, and a body of bytes that the house never looks into. Of a
request, ``code`` is its :class:`Form` and ``many`` says how many bytes at the body's end are a
champion's answer to compare with. Of a reply, ``code`` is the HTTP status, ``many`` the rows,
``other`` how many of them differ from that champion's, and ``flags`` may hold ``FULL``: the
process has taken more memory than it may and should be replaced. Cost: about 2 us a frame, however
large: what arrives whole is not copied.
"""

import socket
import struct
from enum import IntEnum
from typing import NamedTuple

__all__ = ["FULL", "Form", "Frame", "Inbox", "pack", "receive"]

FULL = 1
_HEAD = struct.Struct("<IIHHIII")


class Form(IntEnum):
    """In which protocol a request came: Open Inference Protocol v2, or MLflow's scoring."""

    V2 = 0
    MLFLOW = 1


class Frame(NamedTuple):
    """One message; see the module."""

    number: int
    code: int
    id: str
    body: bytes | memoryview
    many: int = 0
    other: int = 0
    flags: int = 0


def pack(frame: Frame) -> bytes:
    """Write a frame; an id longer than 65,535 bytes is the caller's mistake."""
    name = frame.id.encode()
    size = len(name) + len(frame.body)
    rest = (frame.many, frame.other, frame.flags)
    head = _HEAD.pack(size, frame.number, frame.code, len(name), *rest)
    return b"".join((head, name, frame.body))


def receive(connection: socket.socket) -> tuple[int, bytes]:
    """Wait for the one frame that is due; returns its code and body.

    Raises :class:`EOFError` where the other side hung up.
    """
    inbox = Inbox()
    while data := connection.recv(1 << 20):
        if found := inbox.feed(data):
            return found[0].code, bytes(found[0].body)
    raise EOFError("the other side hung up")


class Inbox:
    """Cuts what arrives into frames."""

    def __init__(self) -> None:
        self._held, self._wanted = bytearray(), 0

    def feed(self, data: bytes | memoryview) -> list[Frame]:
        """Take bytes; return the frames that are whole now, in order.

        Their bodies are views of ``data`` where it holds them whole: good for as long as that is.
        """
        whole, at, found = memoryview(data), 0, []
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:
                return []
            whole, self._held = memoryview(self._held), bytearray()
        self._wanted = _HEAD.size
        while len(whole) - at >= _HEAD.size:
            size, number, code, id_size, *rest = _HEAD.unpack_from(whole, at)
            start = at + _HEAD.size
            if start + size > len(whole):
                self._wanted += size
                break
            middle, at = start + id_size, start + size
            name = str(whole[start:middle], "utf-8")
            found.append(Frame(number, code, name, whole[middle:at], *rest))
        self._held += whole[at:]
        return found
