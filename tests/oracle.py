"""The released update rules in float64 NumPy, written from their formulas alone."""

import numpy as np
from scipy.spatial.distance import pdist, squareform


def distances(x: np.ndarray) -> np.ndarray:
    return squareform(pdist(x.reshape(len(x), -1).astype(np.float64), "sqeuclidean"))


def differences(w: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """sum_j w_ij (x_i - x_j)."""
    return w.sum(axis=1)[:, None] * rows - w @ rows


def blob(x: np.ndarray, grad: np.ndarray, c: float, sign: float = -1.0) -> np.ndarray:
    m = len(x)
    d = distances(x)
    h2 = np.median(d) / (2 * np.log(m))
    rows, g = (a.reshape(m, -1).astype(np.float64) for a in (x, grad))
    if h2 == 0:
        return (g + c / m * ((d == 0) @ g)).reshape(x.shape)
    k = np.exp(-d / (2 * h2))
    return (g + c / m * (k @ g + sign * differences(k, rows) / h2)).reshape(x.shape)


def dgf(x: np.ndarray, grad: np.ndarray, c: float, more: int = 1) -> np.ndarray:
    m = len(x)
    d = distances(x)
    h2 = np.median(d) / (2 * np.log(m + more))
    rows, g = (a.reshape(m, -1).astype(np.float64) for a in (x, grad))
    if h2 == 0:
        return g.reshape(x.shape)
    u = d / (2 * h2)
    return (g - c * differences((u - 1) * np.exp(-u), rows)).reshape(x.shape)


def pytorch(x: np.ndarray, g: np.ndarray, c: float, method: str) -> np.ndarray:
    """The direction of examples/attacks.py; `g` is the gradient of the summed loss."""
    m = len(x)
    theta, mean = (a.reshape(m, -1).astype(np.float64) for a in (x, g / m))
    d = distances(x)
    h2 = 0.5 * np.sort(d.ravel())[(m * m - 1) // 2] / np.log(m)  # torch.median is the lower one
    k = np.exp(-0.5 * d / h2)
    if method == "dgf":
        k *= d / (2 * h2) - 1
    dxk = -k @ theta + theta * k.sum(axis=1, keepdims=True)
    if method == "dgf":
        return (mean - c * dxk).reshape(x.shape)
    return (mean + c * -(k @ -mean + dxk / h2) / m).reshape(x.shape)
