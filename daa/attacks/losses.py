"""Per-image losses that the attacks increase.

loss(logits, labels) -> [N]

logits: [N, K] float32.
labels: [N] int64; target classes if the loss has a parameter `y`.
y: true labels. [N] int64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from daa.tensorflow import tf

# Confidence of the released scripts: the loss is active for margins above -50.
_CW_CONFIDENCE = 50.0


def xent(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Cross-entropy, -log softmax(logits)[label]. [N]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def margin(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Logit of the label minus the largest other logit; negative where misclassified. [N]."""
    is_label = tf.one_hot(labels, logits.shape[-1], on_value=True, off_value=False)
    label = tf.reduce_sum(tf.where(is_label, logits, 0.0), axis=1)
    other = tf.reduce_max(tf.where(is_label, -np.inf, logits), axis=1)
    return label - other


def cw(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """CW-infinity loss: -relu(z_y - max_{k != y} z_k + 50). [N].

    Source: Carlini and Wagner 2017, as in the released scripts and MadryLab's pgd_attack.py.
    """
    return -tf.nn.relu(margin(logits, labels) + _CW_CONFIDENCE)


def difference(logits: tf.Tensor, labels: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Logit of the true label minus the logit of the target class, z_y - z_label. [N].

    Source: Gowal et al. 2019 (MultiTargeted).
    """
    true, aimed = (tf.gather(logits, k, axis=1, batch_dims=1) for k in (y, labels))
    return true - aimed


def dlr(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Difference of logits ratio, invariant under scaling of the logits.

        -(z_y - max_{k != y} z_k) / (z_(1) - z_(3)),   z_(n) the n-th largest logit

    Source: Croce and Hein 2020, Eq. 6.
    """
    top = tf.math.top_k(logits, 3).values
    return -margin(logits, labels) / (top[:, 0] - top[:, 2] + 1e-12)


def dlr_targeted(logits: tf.Tensor, labels: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Targeted difference of logits ratio.

        (z_y - z_label) / (z_(1) - (z_(3) + z_(4)) / 2),   z_(n) the n-th largest logit

    Source: Croce and Hein 2020, Eq. 7, with the opposite sign, because the attack descends it.
    """
    top = tf.math.top_k(logits, 4).values
    spread = top[:, 0] - (top[:, 2] + top[:, 3]) / 2
    return difference(logits, labels, y) / (spread + 1e-12)


@dataclass(frozen=True)
class Loss:
    """A loss that configs can name."""

    title: str  # in tables and figures
    function: Callable[..., tf.Tensor]
    classes: int = 2  # minimum number of classes


LOSSES = {
    "xent": Loss("cross-entropy", xent),
    "cw": Loss("CW", cw),
    "difference": Loss("logit difference", difference),
    "dlr": Loss("DLR", dlr, classes=3),
    "dlr_targeted": Loss("targeted DLR", dlr_targeted, classes=4),
}
