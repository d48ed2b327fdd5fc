"""What runs in a model's own process: load it, read requests, answer them; nothing of the house.

It needs the standard library, numpy and the model's own libraries, so that it runs in any
interpreter; the modules here import each other by relative names alone, since that interpreter
knows no twinhelm. orjson is used where it is there.
"""
