"""Number of fuzz cases: FUZZ_CASES in total, 50 by default. `make fuzz` draws new cases."""

import os
import sys

import hypothesis
import pytest
import world

if sys.platform == "win32":  # no SIGALRM, no pipes in the file system
    collect_ignore_glob = ["test_*.py"]

hypothesis.settings.register_profile(
    "fuzz",
    deadline=None,  # `world.run` has a deadline
    database=None,
    derandomize="FUZZ_CASES" not in os.environ,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
    max_examples=int(os.environ.get("FUZZ_CASES", 50)) // 8,  # for each of the tests
)
hypothesis.settings.load_profile("fuzz")


@pytest.fixture(scope="module", autouse=True)
def isolated():
    """No network, no data sets and no weights."""

    def offline(*_, **__):
        raise OSError("no network in a fuzz test")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.getaddrinfo", offline)
        patch.setattr("tensorflow.config.set_visible_devices", lambda *_: None)
        patch.setenv("DAA_DATA", str(world.MISSING))
        patch.setenv("DAA_MODELS", str(world.MISSING))
        yield
