import re
from dataclasses import replace

import pytest

from daa.paper import claims
from daa.paper.claims import Claim, Entry, Substitute
from daa.paper.plan import Task
from daa.paper.verdicts import judge
from daa.reports import results as result_sets
from daa.reports.results import ResultSet

LOWEST = Claim("table1", None, "lowest", "DAA lowest", "Figure 2")
ORDER = Claim("table1", "blob-xent", "order", "below PGD", "Table 1", -1)


def worst(value, run="pgd-xent"):
    return Claim("table1", run, "worst", f"{value}", "Table 1", value)


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


@pytest.fixture
def fifty(task) -> Task:
    """A task that needs fifty restarts."""
    return replace(task, original=task.original.model_copy(update={"restarts": 50}))


@pytest.fixture
def substituted(task) -> Task:
    """A task that attacks another network."""
    target = "locuslab/fast_pgd_mnist"
    substitute = Substitute(target=target, images=10_000, restarts=10)
    entry = task.entry.model_copy(update={"substitute": substitute})
    experiment = task.experiment.model_copy(update={"target": target})
    return replace(task, entry=entry, experiment=experiment)


def changed(results: ResultSet, *runs: str, **fields) -> ResultSet:
    """Results with changed fields in the records of some runs; in all records if none is named."""
    records = (
        record.model_copy(update=fields) if record.run in runs or not runs else record
        for record in results.records
    )
    return ResultSet(tuple(records), results.missing)


def copied(results: ResultSet, **sources: str) -> ResultSet:
    """Results in which some runs have the numbers of others, {run: other run}."""
    runs = {record.run.replace("-", "_"): record for record in results.records}
    for run, source in sources.items():
        names = ("broken", "accuracy_per_restart", "robust_accuracy")
        fields = {
            name: getattr(next(r for r in results.records if r.run == source), name)
            for name in names
        }
        runs[run] = runs[run].model_copy(update=fields)
    return ResultSet(tuple(runs.values()))


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (88.24, "reproduced"),
        (87.60, "reproduced"),  # the interval is 87.59 to 88.87
        (87.50, "weaker here"),
        (88.90, "stronger here"),
    ],
)
def test_an_accuracy_is_compared_with_the_interval(value, word, task, results):
    verdict = judge(worst(value), task, results)
    assert (verdict.word, verdict.here) == (word, "88.24")
    assert 87.5 < verdict.low < 87.6 < 88.8 < verdict.high < 88.9
    assert (verdict.restarts, verdict.paper_restarts) == (10, 10)


@pytest.mark.parametrize(
    ("value", "word"),
    [(88.24, "undecided yet"), (80.0, "undecided yet"), (90.0, "stronger here")],
)
def test_missing_restarts_can_only_lower_an_accuracy(value, word, fifty, results):
    verdict = judge(worst(value), fifty, results)
    assert (verdict.word, verdict.restarts, verdict.paper_restarts) == (word, 10, 50)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (88.5, "reproduced"),  # above the interval of the mean, 90 %
        (91.9, "reproduced"),
        (92.1, "stronger here"),
        (87.9, "weaker here"),
    ],
)
def test_a_single_run_is_compared_with_the_spread_of_all_runs(value, word, fifty, results):
    spread = changed(results, "blob-xent", accuracy_per_restart=(0.88, *[0.9] * 8, 0.92))
    claim = Claim("table1", "blob-xent", "single", f"{value}", "text", value)
    verdict = judge(claim, fifty, spread)
    assert (verdict.word, verdict.here) == (word, "90.00")
    if word == "reproduced":
        assert "spread of single runs" in verdict.reason


@pytest.mark.parametrize(("printed", "word"), [(-1, "reproduced"), (1, "opposite here")])
def test_an_order_is_tested_on_pairs_of_images(printed, word, task, results):
    verdict = judge(replace(ORDER, value=printed), task, results)
    assert (verdict.word, verdict.here) == (word, "below PGD")
    assert verdict.reason.startswith("only DAA 189, only PGD 8 images, p 1.7e-45")


def test_equality_is_never_reproduced(task, results):
    equal = replace(ORDER, text="equal to PGD", value=0)
    same = copied(results, blob_xent="pgd-xent")
    swapped = copied(results, blob_xent="pgd-xent", pgd_xent="blob-xent")
    assert judge(equal, task, results).word == "stronger here"
    assert judge(equal, task, swapped).word == "weaker here"
    for claim in (equal, ORDER):
        verdict = judge(claim, task, same)
        assert (verdict.word, verdict.here) == ("no difference found", "equal to PGD")


def test_an_order_waits_for_all_restarts(task, fifty, results):
    verdict = judge(ORDER, fifty, results)
    assert verdict.word == "undecided yet"
    assert verdict.reason.startswith("restarts are missing; only DAA 189")
    verdict = judge(ORDER, task, changed(results, "pgd-xent", restarts=9))
    assert verdict.reason == "DAA and PGD have different numbers of restarts"


def test_a_worst_case_without_a_printed_order_has_the_test(task, substituted, results):
    claim = worst(88.0, "blob-xent")
    assert "only DAA" not in judge(claim, task, results).reason
    rows = [row.model_copy(update={"paper": None}) for row in task.experiment.rows]
    for one in (task, substituted):
        experiment = one.experiment.model_copy(update={"rows": tuple(rows)})
        why = judge(claim, replace(one, experiment=experiment), results).reason
        assert "only DAA 189, only PGD 8 images, p 1.7e-45" in why


def lowest(task: Task, results: ResultSet) -> tuple:
    """The verdict on a figure with two points, (lower, equal, higher), (stronger, weaker)."""
    verdict = judge(LOWEST, task, results)
    pattern = (
        r"means of single runs: lower at (\d), equal at (\d), higher at (\d) points; "
        r"tests on the worst cases: DAA is stronger at (\d), weaker at (\d)"
    )
    lower, equal, higher, *tests = map(int, re.fullmatch(pattern, verdict.reason).groups())
    assert verdict.here == f"at {lower} of {lower + equal + higher}"
    return verdict.word, (lower, equal, higher), tuple(tests)


CW_AS_MOMENTUM = {"blob_cw": "momentum-cw", "dgf_cw": "momentum-cw"}
CW_SWAPPED = {"momentum_cw": "dgf-cw", "blob_cw": "pgd-cw", "dgf_cw": "pgd-cw"}
XENT_SWAPPED = {"momentum_xent": "dgf-xent", "blob_xent": "pgd-xent", "dgf_xent": "pgd-xent"}


@pytest.mark.parametrize(
    ("sources", "halved", "expected"),
    [
        ({}, "", ("reproduced", (2, 0, 0), (2, 0))),
        # The strongest DAA counts.
        ({"blob_cw": "momentum-cw"}, "", ("reproduced", (2, 0, 0), (2, 0))),
        (CW_AS_MOMENTUM, "", ("reproduced", (1, 1, 0), (1, 0))),
        # A higher mean without a significant difference.
        (CW_AS_MOMENTUM, "momentum-cw", ("reproduced in part", (1, 0, 1), (1, 0))),
        (CW_SWAPPED, "", ("weaker here", (1, 0, 1), (1, 1))),
        (CW_SWAPPED | XENT_SWAPPED, "", ("opposite here", (0, 0, 2), (0, 2))),
    ],
)
def test_the_strongest_attack_is_tested_at_each_point(sources, halved, expected, task, results):
    results = copied(results, **sources)
    if halved:
        results = changed(results, halved, accuracy_per_restart=(0.5,) * 10)
    assert lowest(task, results) == expected


def test_equal_attacks_show_no_difference(task, results):
    runs = [record.run.replace("-", "_") for record in results.records]
    same = copied(results, **dict.fromkeys(runs, "pgd-cw"))
    assert lowest(task, same) == ("no difference found", (0, 2, 0), (0, 0))
    halved = changed(same, "dgf-cw", accuracy_per_restart=(0.5,) * 10)
    assert lowest(task, halved) == ("no difference found", (1, 1, 0), (0, 0))


def test_equal_means_are_equal_in_spite_of_rounding(task, results):
    """The mean of 0.561, 0.562 and 0.563 is less than 0.562 in floating-point numbers."""
    results = changed(results, restarts=3, accuracy_per_restart=(0.9,) * 3)
    results = changed(results, "dgf-cw", accuracy_per_restart=(0.561, 0.562, 0.563))
    results = changed(results, "momentum-cw", accuracy_per_restart=(0.562,) * 3)
    three = replace(task, original=task.original.model_copy(update={"restarts": 3}))
    why = judge(LOWEST, three, results).reason
    assert why.startswith("means of single runs: lower at 0, equal at 2, higher at 0 points")


def test_the_strongest_attack_waits_for_all_restarts_and_runs(task, fifty, results):
    verdict = judge(LOWEST, fifty, results)
    assert (verdict.word, verdict.restarts, verdict.paper_restarts) == ("undecided yet", 10, 0)
    assert verdict.reason.startswith("restarts are missing; means of single runs")
    uneven = changed(results, "pgd-cw", restarts=9)
    partial = ResultSet(results.records, missing=task.original.rows[:1])
    for incomplete in (uneven, partial):
        verdict = judge(LOWEST, task, incomplete)
        assert (verdict.word, verdict.reason) == ("undecided yet", "restarts are missing")


def test_t_tests_are_judged_by_their_sign(task, results):
    verdict = judge(Claim("table1", "dgf-xent", "t", "75.95", "text", 75.95), task, results)
    assert (verdict.word, verdict.here, verdict.paper_restarts) == ("same sign", "73.05", 0)
    verdict = judge(Claim("table1", "dgf-xent", "p paired", "5e-43", "text"), task, results)
    assert (verdict.word, verdict.here) == ("same sign", "7.6e-14")
    verdict = judge(Claim("table1", "dgf-xent", "p", "0.0 %", "text"), task, results)
    p = float(re.search(r"p (\S+);", verdict.reason)[1])
    assert float(verdict.here.removesuffix(" %")) == pytest.approx(100 * p, rel=0.05, abs=0)
    one = changed(results, restarts=1)
    verdict = judge(Claim("table1", "dgf-xent", "t", "75.95", "text", 75.95), task, one)
    assert verdict.reason == "a t-test needs two different restarts"


@pytest.mark.parametrize(("value", "word"), [(10, "reproduced"), (200, "weaker here")])
def test_images_that_only_daa_breaks_are_counted(value, word, task, results):
    claim = Claim("table1", "blob-xent", "examples", f"{value}", "Figure 1", value)
    verdict = judge(claim, task, results)
    assert (verdict.word, verdict.here) == (word, "189")


def test_merged_runs_break_the_union_of_their_images(task, results):
    claim = Claim("table1", None, "merged", "86", "text", 86.0)
    broken = set().union(*(record.broken for record in results.records))
    assert judge(claim, task, results).here == f"{100 - len(broken) / 100:.2f}"
    partial = ResultSet(results.records, missing=task.original.rows[:1])
    assert judge(claim, task, partial).word == "undecided yet"


def test_on_a_substitute_only_orders_get_a_verdict(substituted, results):
    verdict = judge(worst(88.24), substituted, results)
    why = "measured on a substitute network"
    assert (verdict.word, verdict.reason) == ("no verdict", why)
    ten = Claim("table1", "blob-xent", "examples", "10", "Figure 1", 10)
    verdict = judge(ten, substituted, results)
    assert (verdict.word, verdict.here) == ("no verdict", "189")
    verdict = judge(ORDER, substituted, results)
    assert verdict.word == "reproduced"
    assert verdict.reason.endswith(why)


@pytest.mark.parametrize(
    ("needed", "why"), [({"restarts": 20}, "restarts are missing"), ({"images": 20_000}, "10,000")]
)
def test_on_a_substitute_orders_need_its_images_and_restarts(needed, why, substituted, results):
    substitute = substituted.entry.substitute.model_copy(update=needed)
    entry = substituted.entry.model_copy(update={"substitute": substitute})
    original = substituted.original.model_copy(update={"restarts": 50})
    verdict = judge(ORDER, replace(substituted, entry=entry, original=original), results)
    assert verdict.word == "undecided yet"
    assert verdict.reason.startswith(why)


def test_a_doubtful_network_gets_no_verdict(task, results):
    verdict = judge(worst(88.24), task, results, "clean accuracy: expected 98.53")
    why = f"{task.experiment.target} is not the paper's network: clean accuracy: expected 98.53"
    assert (verdict.word, verdict.reason) == ("no verdict", why)


def test_some_images_do_not_decide(task, results):
    verdict = judge(worst(88.24), task, changed(results, images=9000))
    assert (verdict.word, verdict.reason) == ("undecided yet", "9,000 of 10,000 images")


def test_assumptions_follow_the_reason(task, results):
    claim = replace(worst(88.24), assumed="the texts give no step size; taken for 2/255")
    why = "the paper's value is in the interval; the texts give no step size; taken for 2/255"
    assert judge(claim, task, results).reason == why


def test_runs_without_a_record_have_not_run(task, results):
    assert judge(worst(1.0), task, None).reason == "not started"
    assert judge(worst(1.0, "other"), task, results).word == "not run"
    verdict = judge(worst(1.0), replace(task, missing_weights="no weights of x"), None)
    assert (verdict.word, verdict.reason) == ("not run", "no weights of x")
    top5 = Claim("table1", "pgd-xent", "top-5", "50", "Table 5", 50.0)
    assert judge(top5, task, results).word == "not run"
