import pytest
from toys import images, linear_target


@pytest.fixture
def target():
    return linear_target()[0]


@pytest.fixture
def x():
    return images()[0]


@pytest.fixture
def y():
    return images()[1]
