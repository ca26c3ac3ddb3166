import re
from dataclasses import replace
from statistics import stdev

import pytest

from daa.paper import claims
from daa.paper.claims import Claim, Entry, Substitute
from daa.paper.plan import Task
from daa.paper.verdicts import judge
from daa.reports import results as result_sets
from daa.reports.results import ResultSet


def claim(kind: str, value: float | None, run: str | None = "blob-xent") -> Claim:
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return Claim("table1", run, kind, text, "Table 1", value)


LOWEST, MERGED = claim("lowest", None, run=None), claim("merged", 86.0, run=None)


@pytest.fixture
def task() -> Task:
    """Table 1 with the ten restarts of the committed records."""
    original = claims.load("table1").model_copy(update={"restarts": 10})
    entry = Entry(config="table1", dataset="mnist", source="Table 1", images=10_000)
    return Task(entry, original, original)


@pytest.fixture
def results(committed) -> ResultSet:
    """Ten restarts: PGD 88.24 and DAA-BLOB 86.43 with cross-entropy."""
    return result_sets.load(committed)


def with_restarts(task: Task, restarts: int) -> Task:
    return replace(task, original=task.original.model_copy(update={"restarts": restarts}))


def on_substitute(task: Task, **needed: int) -> Task:
    target = "locuslab/fast_pgd_mnist"
    substitute = Substitute(target=target, **({"images": 10_000, "restarts": 10} | needed))
    entry = task.entry.model_copy(update={"substitute": substitute})
    experiment = task.experiment.model_copy(update={"target": target})
    return replace(task, entry=entry, experiment=experiment)


def changed(results: ResultSet, *runs: str, **fields) -> ResultSet:
    """Results with changed fields in the records of some runs, or of all runs."""
    records = (
        record.model_copy(update=fields) if record.run in runs or not runs else record
        for record in results.records
    )
    return ResultSet(tuple(records))


def copied(results: ResultSet, sources: dict[str, str]) -> ResultSet:
    """Results in which some runs have the numbers of other runs, {run: other run}."""
    of = {record.run: record for record in results.records}
    for run, source in sources.items():
        other = of[source].model_dump(include={"broken", "accuracy_per_restart"})
        results = changed(results, run, **other)
    return results


def on_other_images(task: Task) -> Task:
    return replace(task, entry=task.entry.model_copy(update={"same_images": False}))


@pytest.mark.parametrize(
    ("value", "restarts", "word"),
    [
        (87.60, 10, "reproduced"),  # the interval is 87.59 to 88.87
        (87.50, 10, "weaker here"),
        (88.90, 10, "stronger here"),
        # Missing restarts can only lower the accuracy.
        (80.00, 50, "undecided yet"),
        (90.00, 50, "stronger here"),
    ],
)
def test_a_worst_case_on_other_images_is_compared_with_their_interval(
    value, restarts, word, task, results
):
    task = on_other_images(with_restarts(task, restarts))
    verdict = judge(claim("worst", value, "pgd-xent"), task, results)
    assert (verdict.word, verdict.here) == (word, "88.24")
    assert 87.5 < verdict.low < 87.6 < 88.8 < verdict.high < 88.9
    assert (verdict.restarts, verdict.paper_restarts) == (10, restarts)


# Student's t for 95 % and 9 degrees of freedom, times sqrt(1 + 1 / averaged runs).
TWO_WORST_CASES, ONE_RUN_AND_TEN = 2.262157 * 2**0.5, 2.262157 * 1.1**0.5


@pytest.mark.parametrize(
    ("share", "word"),
    [(0.9, "reproduced"), (-0.9, "reproduced"), (1.1, "stronger here"), (-1.1, "weaker here")],
)
@pytest.mark.parametrize(
    ("kind", "here", "factor"),
    [("worst", 88.24, TWO_WORST_CASES), ("single", 90.0, ONE_RUN_AND_TEN)],
)
def test_on_the_same_images_only_the_restarts_vary(kind, here, factor, share, word, task, results):
    runs = (0.899, *[0.9] * 8, 0.901)
    margin = 100 * factor * stdev(runs)
    assert margin < 0.2
    number = claim(kind, here + share * margin, "pgd-xent")
    spread = changed(results, "pgd-xent", accuracy_per_restart=runs)
    verdict = judge(number, task, spread)
    assert (verdict.word, verdict.here) == (word, f"{here:.2f}")
    assert (verdict.low, verdict.high) == pytest.approx((here - margin, here + margin))
    assert judge(number, on_other_images(task), spread).word == "reproduced"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("88.24", "reproduced"),
        ("88.2", "reproduced"),  # rounded
        ("88.20", "undecided yet"),
        ("88.90", "stronger here"),
        ("87.50", "weaker here"),
    ],
)
@pytest.mark.parametrize("kind", ["worst", "single"])
def test_one_restart_shows_no_spread(kind, text, word, task, results):
    one = changed(results, "pgd-xent", restarts=1, accuracy_per_restart=(0.8824,))
    number = replace(claim(kind, float(text), "pgd-xent"), text=text)
    assert judge(number, with_restarts(task, 1), one).word == word


@pytest.mark.parametrize(
    ("printed", "sources", "expected"),
    [
        (-1.8, {}, ("reproduced", "below PGD")),
        (-2.5, {}, ("deviates here", "below PGD")),
        (1.8, {}, ("opposite here", "below PGD")),
        (0, {}, ("stronger here", "below PGD")),
        (0, {"blob-xent": "pgd-xent", "pgd-xent": "blob-xent"}, ("weaker here", "above PGD")),
        # No test shows that two attacks are equal.
        (-1, {"blob-xent": "pgd-xent"}, ("no difference found", "equal to PGD")),
    ],
)
def test_an_order_and_its_size_are_tested_on_pairs_of_images(
    printed, sources, expected, task, results
):
    verdict = judge(claim("order", printed), task, copied(results, sources))
    assert (verdict.word, verdict.here) == expected
    if not sources:
        assert verdict.reason == (
            "only DAA 189, only PGD 8 images, p 1.7e-45; DAA minus PGD: -1.81 points "
            f"(-2.08 to -1.54), in the paper {printed:.2f}"
        )


def test_a_worst_case_without_a_printed_order_has_the_test(task, results):
    assert "only DAA" not in judge(claim("worst", 88.0), task, results).reason
    rows = tuple(row.model_copy(update={"paper": None}) for row in task.experiment.rows)
    experiment = task.experiment.model_copy(update={"rows": rows})
    reason = judge(claim("worst", 88.0), replace(task, experiment=experiment), results).reason
    assert "only DAA 189, only PGD 8 images, p 1.7e-45" in reason


CW_EQUAL = {"blob-cw": "momentum-cw", "dgf-cw": "momentum-cw"}
MOMENTUM_EQUAL = {"momentum-cw": "dgf-cw", "momentum-xent": "dgf-xent"}
CW_SWAPPED = {"momentum-cw": "dgf-cw", "blob-cw": "pgd-cw", "dgf-cw": "pgd-cw"}
SWAPPED = CW_SWAPPED | {
    run.replace("cw", "xent"): source.replace("cw", "xent") for run, source in CW_SWAPPED.items()
}
METHODS = ("rand_fgsm", "pgd", "momentum", "blob", "dgf")
EQUAL = {f"{method}-{loss}": "pgd-cw" for method in METHODS for loss in ("xent", "cw")}


# The strongest attacks of each point are compared, or each DAA with PGD.
STRONGEST, EACH = ("lowest", "best"), ("below PGD",)


@pytest.mark.parametrize(
    ("rankings", "sources", "halved", "word", "means", "tests"),
    [
        (STRONGEST, {}, "", "reproduced", (2, 0, 0), (2, 0)),
        # The strongest DAA counts.
        (STRONGEST, {"blob-cw": "momentum-cw"}, "", "reproduced", (2, 0, 0), (2, 0)),
        # A higher mean without a significant difference.
        (STRONGEST, CW_EQUAL, "momentum-cw", "reproduced in part", (1, 0, 1), (1, 0)),
        (STRONGEST, CW_SWAPPED, "", "weaker here", (1, 0, 1), (1, 1)),
        (STRONGEST, SWAPPED, "", "opposite here", (0, 0, 2), (0, 2)),
        (STRONGEST, EQUAL, "dgf-cw", "no difference found", (1, 1, 0), (0, 0)),
        (EACH, {}, "", "reproduced", (4, 0, 0), (4, 0)),
        (EACH, MOMENTUM_EQUAL, "", "reproduced", (4, 0, 0), (4, 0)),
        (EACH, {"pgd-cw": "dgf-cw", "dgf-cw": "pgd-cw"}, "", "weaker here", (2, 0, 2), (2, 2)),
    ],
)
def test_a_ranking_is_tested_at_each_point(
    rankings, sources, halved, word, means, tests, task, results
):
    results = copied(results, sources)
    if halved:
        results = changed(results, halved, accuracy_per_restart=(0.5,) * 10)
    for ranking in rankings:
        verdict = judge(claim(ranking, None, run=None), task, results)
        assert (verdict.word, verdict.here) == (word, f"at {means[0]} of {sum(means)}")
        assert tuple(map(int, re.findall(r" in (\d)", verdict.reason))) == (*means, *tests)


def test_equal_means_are_equal_in_spite_of_rounding(task, results):
    """The mean of 0.561, 0.562 and 0.563 is less than 0.562 in floating-point numbers."""
    results = changed(results, restarts=3, accuracy_per_restart=(0.9,) * 3)
    results = changed(results, "dgf-cw", accuracy_per_restart=(0.561, 0.562, 0.563))
    results = changed(results, "momentum-cw", accuracy_per_restart=(0.562,) * 3)
    reason = judge(LOWEST, with_restarts(task, 3), results).reason
    assert reason.startswith("means of single runs: lower in 0, equal in 2, higher in 0 comp")


@pytest.mark.parametrize(
    ("kind", "value", "run", "expected"),
    [
        ("t", None, "dgf-xent", ("same sign", "73.05")),
        ("p", None, "dgf-xent", ("same sign", "1.0e-21 %")),
        ("p paired", None, "dgf-xent", ("same sign", "7.6e-14")),
        ("examples", 189, "blob-xent", ("reproduced", "189")),
        ("examples", 200, "blob-xent", ("weaker here", "189")),
    ],
)
def test_signs_of_t_tests_and_images_that_only_daa_breaks(
    kind, value, run, expected, task, results
):
    verdict = judge(claim(kind, value, run), task, results)
    assert (verdict.word, verdict.here) == expected


def test_merged_runs_break_the_union_of_their_images(task, results):
    broken = set().union(*(record.broken for record in results.records))
    verdict = judge(MERGED, task, results)
    assert (verdict.here, verdict.restarts) == (f"{100 - len(broken) / 100:.2f}", 100)


def test_two_sided_verdicts_wait_for_all_restarts_and_runs(task, results):
    partial = ResultSet(results.records, missing=task.original.rows[:1])
    one = changed(results, restarts=1)
    missing, uneven = "restarts are missing", changed(results, "pgd-xent", restarts=9)
    cases = [
        (claim("order", -1), 50, results, f"{missing}; only DAA 189"),
        (claim("order", -1), 10, uneven, "DAA and PGD have different numbers of restarts"),
        (claim("examples", 10), 10, uneven, "DAA and PGD have different numbers of restarts"),
        (claim("examples", 10), 50, results, missing),
        (claim("t", 75.95), 50, results, missing),
        (claim("t", 75.95), 1, one, "a t-test needs two different restarts"),
        (LOWEST, 50, results, f"{missing}; means of single runs"),
        (LOWEST, 10, uneven, missing),
        (LOWEST, 10, partial, missing),
        (MERGED, 10, partial, missing),
    ]
    for number, restarts, found, reason in cases:
        verdict = judge(number, with_restarts(task, restarts), found)
        assert (verdict.word, verdict.reason.startswith(reason)) == ("undecided yet", True), number


def test_on_a_substitute_only_orders_get_a_verdict(task, results):
    substitute = "measured on a substitute network"
    for number in (claim("worst", 88.24), claim("examples", 10), claim("t", 75.95)):
        verdict = judge(number, on_substitute(task), results)
        assert (verdict.word, verdict.reason) == ("no verdict", substitute)
    order, fifty = claim("order", -1.8), with_restarts(task, 50)
    verdict = judge(order, on_substitute(fifty), results)
    assert verdict.word == "reproduced"
    assert verdict.reason.endswith(substitute)
    for needed, reason in (({"restarts": 20}, "restarts are"), ({"images": 20_000}, "10,0")):
        verdict = judge(order, on_substitute(fifty, **needed), results)
        assert (verdict.word, verdict.reason.startswith(reason)) == ("undecided yet", True)


def test_doubts_missing_images_and_assumptions_are_reasons(task, results):
    number = replace(claim("worst", 88.24, "pgd-xent"), assumed="step size taken for 2/255")
    part = changed(results, images=9000)
    doubt = f"{task.experiment.target} is not the paper's network: clean accuracy: expected 98.53"
    inside = "the paper's value is in the interval over restarts"
    for found, why, word, reason in [
        (results, "clean accuracy: expected 98.53", "no verdict", doubt),
        (part, "", "undecided yet", "9,000 of 10,000 images; step size taken for 2/255"),
        (results, "", "reproduced", f"{inside}; step size taken for 2/255"),
    ]:
        verdict = judge(number, task, found, why)
        assert (verdict.word, verdict.reason) == (word, reason)


def test_runs_without_a_result_have_not_run(task, results):
    missing = replace(task, missing_weights="no weights of x")
    for number, one, found, reason in [
        (claim("worst", 1.0), missing, None, "no weights of x"),
        (claim("worst", 1.0, "other"), task, results, "not started"),
    ]:
        verdict = judge(number, one, found)
        assert (verdict.word, verdict.reason) == ("not run", reason)
