"""Arrays for the challenges: exact values, what is accepted, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from toys import linear_target

from daa import Bounds, Dataset, InputError
from daa.leaderboard import arrays
from daa.leaderboard.arrays import Challenge, Verified

BYTES = np.arange(256, dtype=np.float32).reshape(4, 8, 8, 1)
DIVIDED = BYTES / np.float32(255)
GRAY, _ = linear_target(10, (8, 8, 1))
COLOR = replace(GRAY, bounds=Bounds(0, 255))


def make(target, x, eps=0.3):
    return Challenge(target, Dataset("test", x, np.arange(len(x)), "data hash"), eps)


def test_radius_and_clean_images_are_those_of_the_challenge():
    """TensorFlow's MNIST reader multiplies bytes by float32(1 / 255) and does not divide."""
    multiplied = BYTES * np.float32(1 / 255)
    assert (multiplied != DIVIDED).any()
    gray = make(GRAY, DIVIDED).clean_images()
    np.testing.assert_array_equal(gray, multiplied.reshape(4, 64))
    assert gray.dtype == np.float32
    color = make(COLOR, DIVIDED).clean_images()
    np.testing.assert_array_equal(color, BYTES.reshape(4, 64))
    assert color.dtype == np.uint8
    assert make(GRAY, DIVIDED, 0.3).radius == 0.3
    assert make(COLOR, DIVIDED, 8 / 255).radius == 8


def test_a_built_array_is_exactly_inside_the_ball_of_the_challenge():
    challenge = make(GRAY, DIVIDED)
    adv = np.clip(DIVIDED + np.float32(0.3), 0, 1)
    built, moved = arrays.build(challenge, adv)
    assert arrays.measure(challenge, built)[1] == 0
    np.testing.assert_allclose(built, adv.reshape(4, 64), atol=1e-6)
    assert moved.max() < 1e-6
    adv[2, 0, 0] = 0
    _, moved = arrays.build(challenge, adv)
    assert moved.round(2).tolist() == [0, 0, pytest.approx(0.2, abs=0.05), 0]


def random_array(challenge, eps):
    """Every pixel `eps` away where the range allows it."""
    x = challenge.data.x
    signs = np.where(np.random.default_rng(1).random(x.shape) < 0.5, -1, 1)
    return arrays.build(challenge, np.clip(x + np.float32(eps) * signs, 0, 1).astype(np.float32))[0]


@pytest.fixture
def verify(tmp_path):
    def verify(challenge, array):
        np.save(tmp_path / "attack.npy", array)
        return arrays.verify(challenge, tmp_path / "attack.npy")

    return verify


def test_valid_arrays_pass_in_any_type_and_memory_order(verify, gray):
    array = random_array(gray, 0.15)
    assert (array.shape, array.dtype) == ((100, 64), np.float32)
    expected = gray.target(array.reshape(gray.data.x.shape)).numpy().argmax(1)
    for version in (array, array.astype(np.float64), np.asfortranarray(array)):
        result = verify(gray, version)
        np.testing.assert_array_equal(result.predictions, expected)
        assert result.accuracy == (expected == gray.data.y).mean()


@pytest.mark.parametrize(
    ("image", "by", "eps", "distance", "beyond"),
    [
        (3, 0.09, 0.1, 0.09, 0),
        (599, 0.09, 0.1, 0.09, 0),  # in the second chunk
        (3, 0.10005, 0.1, 0.10005, 1),  # outside the ball, within the tolerance
        (3, 0.50005, 0.6, 0.50005, 1),  # outside the range, within the tolerance
    ],
)
def test_distance_and_exact_violations_are_measured_over_all_chunks(
    verify, image, by, eps, distance, beyond
):
    result = verify(*moved(image, by, eps))
    assert result.distance == pytest.approx(distance)
    assert (result.beyond, len(result.predictions)) == (beyond, 600)


@pytest.mark.parametrize(
    ("image", "by", "message"),
    [
        (3, 0.1005, r"image 3, pixel 5: expected \|adv - x\| <= 0.1 \+ 0.0001, got 0.1005"),
        (577, 0.2, r"image 577, pixel 5: expected \|adv - x\|"),
        (577, 0.7, r"image 577, pixel 5: expected \[0, 1\]"),
    ],
)
def test_the_first_bad_pixel_is_named(verify, image, by, message):
    with pytest.raises(InputError, match=rf"attack.npy: {message}"):
        verify(*moved(image, by, 0.1))


def moved(image, by, eps):
    """A challenge, and its clean images with one moved pixel."""
    x = np.full((600, 8, 8, 1), 0.5, np.float32)
    x[:, 0, 0] = np.linspace(0.2, 0.8, 600)[:, None]
    array = x.reshape(600, 64).astype(np.float64)
    array[image, 5] += by
    return make(GRAY, x, eps), array


def accepted_by_madrylab(images, array, eps, upper, refuses_nan):
    """The conditions of both run_attack.py, in NumPy."""
    if np.amax(array) > upper + 0.0001 or np.amin(array) < -0.0001:
        return False
    if refuses_nan and np.isnan(np.amax(array)):
        return False
    return not float(np.amax(np.abs(images - array))) > eps + 0.0001


@pytest.mark.parametrize("kind", ["gray", "color"])
def test_accepts_what_run_attack_accepts(verify, kind, request):
    """Random arrays around the limits, of several types."""
    challenge = request.getfixturevalue(kind)
    scale, radius = challenge.target.bounds.upper, challenge.radius
    images = challenge.clean_images()
    rng, verdicts = np.random.default_rng(2), []
    for k in range(40):
        dtype = [np.float32, np.float64, np.int16, np.float16][k % 4]
        reach = radius + rng.choice([-1e-3, 0, 0.9e-4, 1e-4, 1.1e-4, 1e-3])
        low, high = rng.choice([0, -0.9e-4, -1.1e-4]), scale + rng.choice([0, 0.9e-4, 1.1e-4])
        noise = rng.choice([-reach, 0.0, reach], images.shape, p=[0.01, 0.98, 0.01])
        array = np.clip(images.astype(np.float64) + noise, low, high).astype(dtype)
        expected = accepted_by_madrylab(images, array, radius, scale, kind == "gray")
        try:
            verify(challenge, array)
            verdicts.append(True)
        except InputError:
            verdicts.append(False)
        assert verdicts[-1] == expected, (k, dtype)
    assert set(verdicts) == {True, False}


@pytest.mark.parametrize("kind", [np.uint8, np.uint64, bool])
def test_types_in_which_differences_overflow_are_refused(verify, color, gray, kind):
    """In bytes 0 - 248 is 8, and the challenge would accept an image that is far away."""
    images = color.clean_images()
    far = np.where(images < 8, images + np.uint8(248), images).astype(np.uint8)
    assert accepted_by_madrylab(images, far, 8, 255, False)
    with pytest.raises(InputError, match=r"attack.npy: must hold signed numbers, got u?[bi]"):
        verify(color, far.astype(kind))
    result = verify(color, images.astype(np.int16))
    assert (result.distance, result.beyond) == (0, 0)
    # Subtracting bytes from floats is exact.
    verify(replace(gray, eps=1.0), gray.clean_images().astype(kind))


@pytest.mark.parametrize("kind", ["gray", "color"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(verify, kind, value, request):
    challenge = request.getfixturevalue(kind)
    array = random_array(challenge, 0.01)
    array.reshape(len(array), -1)[7, 3] = value
    with pytest.raises(InputError, match=r"image 7, pixel .*: expected \[0, .* finite number"):
        verify(challenge, array)


def test_another_order_of_images_is_recognised(verify, gray):
    challenge = replace(gray, eps=0.05)
    array = random_array(challenge, 0.05)
    order = np.random.default_rng(0).permutation(len(array))
    with pytest.raises(InputError, match=r"not in the official order: .* match another clean"):
        verify(challenge, array[order])
    array[[10, 20]] = array[[20, 10]]
    with pytest.raises(InputError, match=r"2 of the first 2 images .* image 10 matches 20"):
        verify(challenge, array)


def test_another_unit_is_recognised(verify, color, gray):
    for array in (255 * gray.clean_images(), (255 * gray.clean_images()).astype(np.uint8)):
        with pytest.raises(InputError, match=r"seems to be in \[0, 255\]: divide it by 255"):
            verify(gray, array)
    array = random_array(color, 8 / 255)
    with pytest.raises(InputError, match=r"seems to be in \[0, 1\] instead of \[0, 255\]"):
        verify(color, array / 255)
    result = verify(color, array)
    assert (result.distance, result.beyond) == (8.0, 0)  # exact in bytes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((100, 8, 8, 1)), r"shape must be .*, got \[100.*; use array.reshape\(100, 64\)"),
        (np.zeros((99, 64)), r"shape must be \[100, 64\] .*, got \[99, 64\]"),
        (np.array([None]), "expected an .npy file of numbers, got"),
        (np.zeros((100, 64), "U3"), "must hold numbers, got <U3"),
    ],
)
def test_files_without_a_usable_array_are_refused(tmp_path, gray, content, message):
    path = tmp_path / "attack.npy"
    np.save(path, content)
    with pytest.raises(InputError, match=f"attack.npy: {message}"):
        arrays.load(gray, path)


def version(values, margin, dtype=np.float32):
    array = np.full((len(margin), 2), values, dtype)
    return Verified(array, np.zeros(len(margin)), np.array(margin), 0.0, 0.0, 0)


def test_the_version_with_the_lowest_margin_is_taken_exactly():
    merged, source = arrays.merge([version(1, [1, -1, 0]), version(2, [0, 2, 1])])
    assert source.tolist() == [1, 0, 0]
    assert merged.tolist() == [[2, 2], [1, 1], [1, 1]]
    assert merged.dtype == np.float32
    exact = np.nextafter(0.3, 1)
    merged, _ = arrays.merge([version(0, [1]), version(exact, [0], np.float64)])
    assert (merged == exact).all()
    assert merged.dtype == np.float64
