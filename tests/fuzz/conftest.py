"""How many cases each fuzz runs, and how many ran.

FUZZ_EXAMPLES is the number of all cases together: few in `make test`, thousands in `make fuzz`,
whose cases are new ones each time.
"""

import os

import hypothesis
import pytest
import world

CASES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
LONG = "FUZZ_EXAMPLES" in os.environ

hypothesis.settings.register_profile(
    "fuzz",
    deadline=None,  # each case has its own
    database=None,
    derandomize=not LONG,
    print_blob=LONG,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
)
hypothesis.settings.load_profile("fuzz")


def pytest_collection_modifyitems(items):
    fuzzes = [item for item in items if hasattr(getattr(item, "function", None), "share")]
    whole = sum(item.function.share for item in fuzzes)
    for item in fuzzes:
        cases = max(round(CASES * item.function.share / whole), 2)
        test = item.function
        hypothesis.settings(max_examples=cases)(test)


@pytest.fixture(scope="module", autouse=True)
def small_world():
    """Targets are read once, nothing reaches the network; other tests see none of it."""
    with pytest.MonkeyPatch.context() as patch:
        world.prepare(patch)
        yield


def pytest_terminal_summary(terminalreporter):
    if world.RAN:
        ran = ", ".join(f"{name} {cases:,}" for name, cases in sorted(world.RAN.items()))
        terminalreporter.write_line(f"fuzz: {sum(world.RAN.values()):,} cases: {ran}")
