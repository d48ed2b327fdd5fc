"""Routes can be made while other threads are at work.

FastAPI silences a warning of pydantic's about each parameter's alias, in a way that other threads
undo (:class:`warnings.catch_warnings` swaps the filters of the whole process). Here, where
warnings are errors, that ended the set-up of a test now and then.
"""

from __future__ import annotations

import threading
import warnings

from fastapi import FastAPI
from pydantic_core import core_schema


def test_a_route_is_made_though_another_thread_puts_the_filters_back():
    inside, meanwhile, back = threading.Event(), threading.Event(), threading.Event()

    def other():
        with warnings.catch_warnings():
            inside.set()
            meanwhile.wait(20)
        back.set()

    class Word(str):
        @classmethod
        def __get_pydantic_core_schema__(cls, *_):
            meanwhile.set()
            back.wait(20)
            return core_schema.str_schema()

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(20)

    def route(word: Word) -> None: ...

    route.__annotations__ = {"word": Word, "return": None}
    FastAPI().get("/")(route)
    thread.join()
    assert back.is_set()
