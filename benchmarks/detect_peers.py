"""Run other projects' streaming detectors, in their own environment, on a series from stdin.

In: JSON ``{"values": [...], "seconds": limit per detector}``. Out: JSON, per detector the samples
per CPU-second, scoring and learning each sample, and its scores (of as many samples as it
managed).
"""

import json
import sys
import time


def river_detectors():
    """Return river's univariate detectors, as functions of one value."""
    from river import anomaly

    def feed(model, *, wrap):
        def step(x):
            score = model.score_one({"x": x}) if wrap else model.score_one(None, x)
            if wrap:
                model.learn_one({"x": x})
            else:
                model.learn_one(None, x)
            return score

        return step

    return {
        "river GaussianScorer": feed(anomaly.GaussianScorer(window_size=500), wrap=False),
        "river StandardAbsoluteDeviation": feed(anomaly.StandardAbsoluteDeviation(), wrap=False),
        "river HalfSpaceTrees": feed(anomaly.HalfSpaceTrees(seed=1), wrap=True),
    }


def pysad_detectors():
    """Return pysad's univariate detectors, likewise."""
    import numpy as np
    from pysad import models

    def feed(model):
        return lambda x: model.fit_score_partial(np.array([x]))

    return {
        "pysad StandardAbsoluteDeviation": feed(models.StandardAbsoluteDeviation()),
        "pysad MedianAbsoluteDeviation": feed(models.MedianAbsoluteDeviation()),
        "pysad RelativeEntropy": feed(models.RelativeEntropy(min_val=-100.0, max_val=300.0)),
    }


def main():
    """Time every detector that imports; report why one does not."""
    given = json.load(sys.stdin)
    results = {}
    for make in (river_detectors, pysad_detectors):
        try:
            detectors = make()
        except ImportError as error:
            results[make.__name__] = {"error": str(error)}
            continue
        for name, step in detectors.items():
            scores = []
            start = time.process_time()
            for x in given["values"]:
                score = step(x)
                scores.append(0.0 if score is None or score != score else float(score))
                if len(scores) % 64 == 0 and time.process_time() - start > given["seconds"]:
                    break
            took = time.process_time() - start
            results[name] = {"per_second": len(scores) / took, "scores": scores}
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
