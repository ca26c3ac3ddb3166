from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
from toys import ahead, config, images

from daa import worst_case
from daa.attacks.attack import Attack
from daa.attacks.plans import Unit
from daa.attacks.worst_case import Job, local, margins, worst_cases


def test_a_restart_is_a_function_of_seed_and_number(target):
    x, y = images(60)
    report = worst_case(target, config("rand_fgsm"), x, y, restarts=3, seed=5)
    for restart in range(3):
        alone = Attack(target, config("rand_fgsm"))(x, y, seed=5, restart=restart)
        right = target(alone).numpy().argmax(1) == y
        np.testing.assert_array_equal(right, report.correct_per_restart[restart])
    other = worst_case(target, config("rand_fgsm"), x, y, restarts=3, seed=6)
    assert (other.adv != report.adv).any()
    assert len({row.tobytes() for row in report.correct_per_restart}) > 1


def test_an_image_that_is_wrong_without_an_attack_is_broken_whatever_the_attack_does(target):
    x, y = images(60)
    wrong = target(x).numpy().argmax(1) != y
    assert 0 < wrong.sum() < 60
    towards = config("pgd", targeted="labels", eps=0.5, step_size=0.1)
    repaired = worst_case(target, towards, x, y, target_labels=y)
    assert repaired.correct_per_restart[0][wrong].any()
    assert repaired.robust_accuracy[-1] <= 1 - wrong.mean()
    found = margins(target, repaired.adv, y)
    np.testing.assert_array_equal(found, repaired.margin)
    assert (found[wrong] <= 0).all()


def test_what_is_done_already_is_not_run_again(target):
    x, y = images(60)
    settings = config("blob")
    whole = worst_case(target, settings, x, y, restarts=4)
    two = worst_case(target, settings, x, y, restarts=2)
    seen = []

    def engine(units):
        return local(target, x, y)(seen.append(unit.restart) or unit for unit in units)

    rest = worst_case(target, settings, x, y, restarts=4, so_far=two, engine=engine)
    assert seen == [2, 3]
    np.testing.assert_equal(asdict(rest), asdict(whole))
    seen.clear()
    (event,) = worst_cases(target, [Job(settings, 4, so_far=whole)], x, y, engine=engine)
    assert not seen
    assert (event.finished, event.seconds, event.device) == (True, 0.0, "")
    np.testing.assert_equal(asdict(event.report), asdict(whole))


def backwards(target, x, y):
    """An engine that runs three units at a time, the last one first."""

    def run(units):
        while some := [unit for _ in range(3) if (unit := next(units, None)) is not None]:
            yield from local(target, x, y)(iter(some[::-1]))

    return run


@pytest.mark.parametrize(
    ("engine", "order"),
    [(partial(ahead, count=5), [0, 0, 0, 1, 1, 2]), (backwards, [0, 0, 0, 2, 1, 1])],
)
def test_units_of_all_jobs_form_one_stream_and_end_in_any_order(target, engine, order):
    x, y = images(30)
    jobs = [Job(config("rand_fgsm"), 3), Job(config("blob"), 2, seed=4), Job(config("fgsm"))]
    events = list(worst_cases(target, jobs, x, y, engine=engine(target, x, y)))
    assert [event.job for event in events] == order
    last = {event.job: event.report for event in events if event.finished}
    assert len(last) == sum(event.finished for event in events)
    for number, job in enumerate(jobs):
        alone = worst_case(target, job.config, x, y, restarts=job.restarts, seed=job.seed)
        np.testing.assert_equal(asdict(last[number]), asdict(alone))


def test_a_plan_chooses_images_from_the_report_and_waits_for_it(target):
    x, y = images(60)
    settings = config("pgd", restarts="standing")
    plain = worst_case(target, config("pgd"), x, y, restarts=3)
    alone = worst_case(target, settings, x, y, restarts=3)
    jobs = [Job(settings, 3), Job(config("fgsm"))]
    events = list(worst_cases(target, jobs, x, y, engine=ahead(target, x, y, 4)))
    (last,) = [e.report for e in events if e.job == 0 and e.finished]
    np.testing.assert_equal(asdict(last), asdict(alone))
    assert alone.gradients.sum() < plain.gradients.sum()
    assert {*alone.gradients} <= {0, 20.5, 41, 61.5}  # half a gradient for the final evaluation
    assert alone.correct_per_restart.shape == (3, 60)
    half = worst_case(target, settings, x, y, restarts=2)
    complete = worst_case(target, settings, x, y, restarts=3, so_far=half)
    np.testing.assert_equal(asdict(complete), asdict(alone))


def test_a_budget_pays_for_restarts_on_robust_images_by_increasing_margin(target):
    x, y = images(60)
    settings = config("pgd", eps=0.05, step_size=0.01, budget=75.0)
    report = worst_case(target, settings, x, y)
    *earlier, last = report.history
    spent = report.gradients_after[-1] + 0.5  # the forward pass of the clean images
    assert 75 - settings.gradients_per_image / 60 < spent <= 75
    assert [len(outcome.margin) for outcome in earlier] == sorted(
        (len(outcome.margin) for outcome in report.history), reverse=True
    )[:-1]
    margin = np.where(report.natural > 0, np.inf, report.natural)
    for outcome in earlier:
        margin[outcome.images] = np.minimum(margin[outcome.images], outcome.margin)
    left = np.setdiff1d(np.flatnonzero(margin > 0), last.images)
    assert len(left) and margin[last.images].max() <= margin[left].min()
    first = worst_case(target, settings.replace(budget=40.0), x, y)
    rest = worst_case(target, settings, x, y, so_far=replace(first, history=first.history[:1]))
    assert rest.gradients.tolist() == report.gradients.tolist()


def test_a_plan_of_a_job_that_waits_for_nothing_is_a_defect(target):
    def waits(config, seed):
        yield Unit(config, seed, 0)
        while True:
            yield None

    with pytest.raises(RuntimeError, match="a plan waits for results"):
        list(worst_cases(target, [Job(config("fgsm"), plan=waits)], *images(20)))
