"""What stands between a version and its going live: gates as policy, and four eyes.

:mod:`gates` looks at the version, :mod:`people` at whoever answers. Both are pure: values in, a
:class:`~twinhelm.core.policy.Decision` out, with a reason that a person can act on.
"""

from twinhelm.mlops.approve.gates import Case, judge
from twinhelm.mlops.approve.people import may_answer, needs

__all__ = ["Case", "judge", "may_answer", "needs"]
