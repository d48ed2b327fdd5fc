"""Learn: what people answered changes what counts, what belongs together and what is blamed.

In: :class:`twinhelm.aiops.types.Answer` s that stand. Out: :class:`Lessons`, a pure function of
them, so that to undo an answer is to leave it out; and :class:`Trial`, what lessons would have
changed in history (:func:`try_out`). :func:`next_question` says which answer would tell most.
"""

from twinhelm.aiops.learn.lessons import Lessons, learn
from twinhelm.aiops.learn.needs import own_need
from twinhelm.aiops.learn.trial import Trial, try_out
from twinhelm.aiops.learn.worth import next_question

__all__ = ["Lessons", "Trial", "learn", "next_question", "own_need", "try_out"]
