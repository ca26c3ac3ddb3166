import numpy as np
import tensorflow as tf

from daa.attacks import losses


def test_xent_is_the_negative_log_probability():
    z = np.array([[1.0, 2.0, 0.5]], np.float32)
    p = np.exp(z[0]) / np.exp(z[0]).sum()
    np.testing.assert_allclose(
        losses.xent(tf.constant(z), np.array([2])), [-np.log(p[2])], rtol=1e-6
    )


def test_cw_is_the_margin_cut_at_minus_fifty():
    z = tf.constant([[3.0, 1.0, -2.0], [0.0, 100.0, 0.0]])
    np.testing.assert_allclose(losses.cw(z, np.array([0, 0])), [-52.0, 0.0])


def test_margin_is_negative_where_misclassified():
    z = tf.constant([[3.0, 1.0, -2.0], [0.0, 1.0, -4.0]])
    np.testing.assert_allclose(losses.margin(z, np.array([0, 0])), [2.0, -1.0])
