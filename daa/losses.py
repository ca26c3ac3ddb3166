"""Per-image losses that the attacks increase."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# Confidence of the released scripts: the loss is active as long as the margin is above -50.
_CW_CONFIDENCE = 50.0


def xent(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Cross-entropy with respect to `labels`.

    Args:
        logits: [N, K] float32.
        labels: [N] int64.

    Returns:
        -log softmax(logits)[label]. [N].
    """
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def margin(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Logit of the label minus the largest other logit; negative where misclassified. [N]."""
    own = tf.one_hot(labels, logits.shape[-1], on_value=True, off_value=False)
    label = tf.reduce_sum(tf.where(own, logits, 0.0), axis=1)
    other = tf.reduce_max(tf.where(own, -np.inf, logits), axis=1)
    return label - other


def cw(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """CW-infinity loss: -relu(z_y - max_{k != y} z_k + 50). [N].

    Source: Carlini and Wagner 2017, as in the released scripts and MadryLab's pgd_attack.py.
    """
    return -tf.nn.relu(margin(logits, labels) + _CW_CONFIDENCE)


LOSSES = {"xent": xent, "cw": cw}
