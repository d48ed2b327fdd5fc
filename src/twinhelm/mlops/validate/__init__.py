"""The room that measures a version before anybody lets it decide: values in, findings out.

:func:`examine` asks the model, measures it with intervals over everybody and every slice, holds it
against the champion and the gates of its product file, gives it worse input, times it, and looks
at whether the data can judge at all. :func:`compare_rows` lays two validations side by side.
"""

from twinhelm.mlops.validate.beside import compare_rows
from twinhelm.mlops.validate.examine import Findings, Known, examine, unexamined

__all__ = ["Findings", "Known", "compare_rows", "examine", "unexamined"]
