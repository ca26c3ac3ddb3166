"""Models of a user as targets; tests/evaluation has the errors."""

import tensorflow as tf

from daa.targets import user_models


def functions():
    for seed in (0, 1):
        w = tf.Variable(tf.random.stateless_normal((64, 10), (seed, 0)))
        yield lambda x, w=w: tf.reshape(x, [-1, 64]) @ w


def test_the_hash_of_a_function_is_the_hash_of_its_weights():
    one, two = functions()
    models = [user_models.load(f, image_shape=(8, 8, 1)) for f in (one, two, one)]
    hashes = [model.weights_sha256 for model in models]
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_module_is_loaded_from_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "of_user.py").write_text(
        "import tensorflow as tf\n"
        "def f():\n"
        "    return lambda x: tf.reshape(x, [-1, 64])[:, :10] * 9 - 2\n"
    )
    target = user_models.load("of_user:f", image_shape=(8, 8, 1))
    assert (target.name, target.classes) == ("of_user:f", 10)
    assert user_models.load(target) is target
