"""Invalid inputs of an evaluation are errors in one line."""

import pytest
from toys import images, linear_target

from daa import InputError
from daa.evaluation.evaluate import evaluate

LINEAR, _ = linear_target()
X, Y = images(20)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"eps": 10**400}, "eps: expected 0 < eps <= 1, .* got 1000"),
        ({"eps": "1e400"}, "eps: expected 0 < eps <= 1, .* got "),
        ({"eps": None}, "eps: expected 0 < eps <= 1, .* got None"),
        ({"eps": "9" * 5000}, "eps: expected 0 < eps <= 1"),
        ({"budget": "many"}, "budget: expected a finite number >= 1, got 'many'"),
        ({"budget": float("nan")}, "budget: expected a finite number >= 1, got nan"),
        ({"budget": 10**400}, "budget: expected a finite number >= 1, got 1000"),
        ({"minutes": 0}, "minutes: expected a finite number > 0, got 0"),
        ({"minutes": "few"}, "minutes: expected a finite number > 0, got 'few'"),
        ({"minutes": float("inf")}, "minutes: expected a finite number > 0, got inf"),
        ({"published": "high"}, r"published: expected an accuracy in \[0, 1\], got 'high'"),
        ({"images": "3"}, "images: expected 1 to 20, got '3'"),
        ({"images": 21}, "images: expected 1 to 20, got 21"),
        ({"bounds": (0, 1, 2)}, "bounds: expected"),
        ({"method": ["pgd"]}, "method: expected one of"),
        ({"method": "pgd", "steps_per_shuffle": "x"}, "steps_per_shuffle: expected no such option"),
        ({"method": "blob", "steps_per_shuffle": "x"}, "steps_per_shuffle: expected a whole numb"),
        ({"method": "blob", "steps_per_shuffle": 0}, "steps_per_shuffle: expected a whole number"),
        ({"y": Y[:3]}, "y: expected 20 whole numbers"),
        ({"y": Y.astype(str)}, "y: expected 20 whole numbers"),
        ({"y": [[1, 2], [3]]}, "y: expected"),
        ({"x": "nothing"}, "y: expected no labels, because nothing has labels"),
        ({"x": [[1], [1, 2]]}, "x: expected"),
        ({"x": X[:, :3]}, "x: expected shape"),
    ],
)
def test_what_is_given_to_an_evaluation_is_checked(given, message):
    whole = {"x": X, "y": Y, "eps": 0.1, "progress": False}
    with pytest.raises(InputError, match=message) as error:
        evaluate(LINEAR, **{**whole, **given})
    assert len(str(error.value)) < 500
