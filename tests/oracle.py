"""The released update rules in slow float64 NumPy, written from their formulas alone."""

from __future__ import annotations

import numpy as np


def distances(x: np.ndarray) -> np.ndarray:
    rows = x.reshape(len(x), -1).astype(np.float64)
    return np.array([[np.sum((a - b) ** 2) for b in rows] for a in rows])


def blob(x: np.ndarray, grad: np.ndarray, c: float) -> np.ndarray:
    m = len(x)
    d = distances(x)
    h2 = np.median(d) / (2 * np.log(m))
    rows, g = (a.reshape(m, -1).astype(np.float64) for a in (x, grad))
    v = np.empty_like(rows)
    for i in range(m):
        k = np.exp(-d[i] / (2 * h2)) if h2 > 0 else (d[i] == 0).astype(float)
        repulsion = (k[:, None] * (rows[i] - rows)).sum(0) / h2 if h2 > 0 else 0.0
        v[i] = g[i] + c / m * (k @ g - repulsion)
    return v.reshape(x.shape)


def dgf(x: np.ndarray, grad: np.ndarray, c: float) -> np.ndarray:
    m = len(x)
    d = distances(x)
    h2 = np.median(d) / (2 * np.log(m + 1))
    rows = x.reshape(m, -1).astype(np.float64)
    v = grad.reshape(m, -1).astype(np.float64)
    for i in range(m):
        if h2 > 0:
            u = d[i] / (2 * h2)
            v[i] -= c * (((u - 1) * np.exp(-u))[:, None] * (rows[i] - rows)).sum(0)
    return v.reshape(x.shape)
