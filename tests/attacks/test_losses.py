import numpy as np
import tensorflow as tf

from daa.attacks import losses


def test_losses_follow_their_formulas():
    z = tf.constant([[3.0, 1.0, -2.0], [0.0, 100.0, 0.0]])
    y = np.array([0, 0])
    xent = -np.log(np.exp(3) / np.exp([3, 1, -2]).sum())
    np.testing.assert_allclose(losses.xent(z, y), [xent, 100.0], rtol=1e-5)
    np.testing.assert_allclose(losses.cw(z, y), [-52.0, 0.0])
    np.testing.assert_allclose(losses.margin(z, y), [2.0, -100.0])


def test_dlr_is_what_its_paper_says_and_knows_no_scale():
    z = tf.constant([[5.0, 1.0, 3.0, -2.0], [0.0, 4.0, 2.0, 1.0]])
    y, t = np.array([0, 0]), np.array([2, 1])
    np.testing.assert_allclose(losses.dlr(z, y), [-2 / 4, 4 / 3], rtol=1e-6)
    np.testing.assert_allclose(losses.dlr_targeted(z, t, y), [2 / 5.5, -4 / 3.5], rtol=1e-6)
    np.testing.assert_allclose(losses.dlr(1e3 * z, y), losses.dlr(z, y), rtol=1e-6)
