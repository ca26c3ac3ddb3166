import numpy as np

from benchmarks import particles
from daa.reports import examples


def test_the_released_sign_moves_three_particles_together_and_the_printed_one_apart():
    released, printed = (particles.directions_of(name) for name in ("released", "paper"))
    np.testing.assert_allclose(released, [0.895, -0.879, -0.016], atol=5e-4)
    np.testing.assert_allclose(printed, -released, rtol=1e-6)


def test_the_numbers_that_the_text_gives_of_the_backgrounds():
    shown = examples.load(particles.FOLDER)
    values, ends = particles.backgrounds(shown)
    even = ends[1] < 0.5
    assert [shown.labels[k] for k in np.flatnonzero(even)] == [3, 2, 9]
    low_and_high = [
        100 * f(part) for part in (ends[0], ends[1, even], ends[1, ~even]) for f in (min, max)
    ]
    assert np.round(low_and_high).tolist() == [86, 96, 33, 41, 84, 95]
    # A background pixel is one that is 0 in the natural image.
    assert np.isfinite(values[0, 0]).sum() == np.sum(np.array(shown.natural[0]) == 0)
