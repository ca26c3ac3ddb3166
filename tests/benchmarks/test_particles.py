import matplotlib
import numpy as np
import pytest

from benchmarks import particles
from daa.reports import examples
from daa.runs import config


@pytest.fixture(scope="module")
def shown():
    return examples.load(particles.FOLDER)


def test_the_released_sign_moves_three_particles_together_and_the_printed_one_apart():
    released, printed = (particles.directions_of(name) for name in ("released", "paper"))
    np.testing.assert_allclose(released, [0.895, -0.879, -0.016], atol=5e-4)
    np.testing.assert_allclose(printed, -released, rtol=1e-6)


def test_the_numbers_that_the_text_gives_of_the_backgrounds(shown):
    values, ends = particles.backgrounds(shown)
    even = ends[1] < 0.5
    assert [shown.labels[k] for k in np.flatnonzero(even)] == [3, 2, 9]
    low_and_high = [
        100 * f(part) for part in (ends[0], ends[1, even], ends[1, ~even]) for f in (min, max)
    ]
    assert np.round(low_and_high).tolist() == [86, 96, 33, 41, 84, 95]
    # A background pixel is one that is 0 in the natural image.
    assert np.isfinite(values[0, 0]).sum() == np.sum(np.array(shown.natural[0]) == 0)


def test_the_committed_figure_is_the_one_that_is_drawn(tmp_path):
    path = particles.write(particles.FOLDER, tmp_path).with_suffix(".svg")
    committed = (config.FOLDER.parent / "docs" / path.name).read_text()
    if f"v{matplotlib.__version__}," not in committed:
        pytest.skip("another version of matplotlib drew the committed figure")
    assert path.read_text() == committed
