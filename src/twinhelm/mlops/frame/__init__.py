"""Framing: what is this product for, and do the sentences of its file hold together.

A product is declared in ``product.toml``, in its makers' own repository. :func:`read_spec` reads
it or tells everything that is wrong with it, by line and column. Who has none yet answers the
:func:`questions`; :func:`advice` says what the answers mean, also where they say that machine
learning is the wrong tool, and :func:`draft` writes the file.
"""

from twinhelm.mlops.frame.guide import Question, advice, draft, questions
from twinhelm.mlops.frame.read import read_spec

__all__ = ["Question", "advice", "draft", "questions", "read_spec"]
