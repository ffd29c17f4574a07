#!/usr/bin/env python3
"""Writes metrics.json: scores that train/metrics must reproduce, by scikit-learn and scipy."""

import json
import pathlib

import numpy
import scipy
import scipy.integrate
import scipy.stats
import sklearn
from sklearn import metrics

random = numpy.random.default_rng(7)


def classification(classes, rows, absent=()):
    choices = [k for k in range(classes) if k not in absent]
    truth = random.choice(choices, rows)
    prediction = numpy.where(random.random(rows) < 0.7, truth, random.choice(choices, rows))
    labels = list(range(classes))
    present = sorted(set(truth) | set(prediction))
    recall = metrics.recall_score(truth, prediction, labels=present, average=None, zero_division=0)
    return {
        "classes": classes,
        "truth": truth.tolist(),
        "prediction": prediction.tolist(),
        "accuracy": metrics.accuracy_score(truth, prediction),
        "macro_f1": metrics.f1_score(truth, prediction, average="macro", zero_division=0),
        "recall": {str(k): r for k, r in zip(present, recall) if (truth == k).any()},
        "confusion": metrics.confusion_matrix(truth, prediction, labels=labels).tolist(),
    }


def crps_by_quadrature(truth, prediction, sigma):
    """The definition: the integral of (F(y) - [y >= t])^2, for each row."""
    total = 0.0
    for t, p in zip(truth, prediction):
        below = scipy.integrate.quad(
            lambda y: scipy.stats.norm.cdf(y, p, sigma) ** 2, p - 12 * sigma, t, epsabs=1e-12
        )[0]
        above = scipy.integrate.quad(
            lambda y: scipy.stats.norm.sf(y, p, sigma) ** 2, t, p + 12 * sigma, epsabs=1e-12
        )[0]
        total += below + above
    return total / len(truth)


def regression(truth, prediction, redshift):
    residual = prediction - truth
    scaled = residual / (1 + truth) if redshift else residual
    return {
        "redshift": redshift,
        "truth": truth.tolist(),
        "prediction": prediction.tolist(),
        "r2": metrics.r2_score(truth, prediction),
        "mse": metrics.mean_squared_error(truth, prediction),
        "rmse": float(numpy.sqrt(metrics.mean_squared_error(truth, prediction))),
        "mae": metrics.mean_absolute_error(truth, prediction),
        "bias": float(numpy.median(scaled)),
        "nmad": 1.4826 * scipy.stats.median_abs_deviation(scaled),
        "crps": crps_by_quadrature(truth, prediction, residual.std()),
    }


z = random.exponential(0.8, 61)
temperature = random.uniform(3500, 9500, 40)
golden = {
    "versions": {
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    },
    "classification": [
        classification(3, 50),
        classification(2, 31),
        classification(6, 40, absent=(1, 4)),
    ],
    "regression": [
        regression(z, z + random.normal(0, 0.05, z.size) + (random.random(z.size) < 0.1), True),
        regression(temperature, temperature + random.normal(20, 150, temperature.size), False),
    ],
}
path = pathlib.Path(__file__).with_name("metrics.json")
path.write_text(json.dumps(golden, indent=1) + "\n")
