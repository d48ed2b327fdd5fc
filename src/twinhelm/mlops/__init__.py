"""The MLOps wing: a model as a product with a lifecycle that is the same every time.

So far it holds the register, and in it the products that twinhelm itself is made of: its
detector, its ranker of causes and its forecaster are versions like anybody's, and every claim
names the version that made it.
"""

__all__: list[str] = []
