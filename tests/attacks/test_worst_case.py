"""The one loop over restarts: plans, engines, resuming, what counts as broken."""

import numpy as np
import pytest
from toys import ahead, config, images, linear_target

from daa import Target, worst_case
from daa.attacks.attack import Attack
from daa.attacks.plans import Unit
from daa.attacks.worst_case import Job, local, margins, worst_cases


def test_a_restart_is_a_function_of_seed_and_number():
    target, _ = linear_target()
    x, y = images(60)
    report = worst_case(target, config("rand_fgsm"), x, y, restarts=3, seed=5)
    for restart in range(3):
        alone = Attack(target, config("rand_fgsm"))(x, y, seed=5, restart=restart)
        right = target(alone).numpy().argmax(1) == y
        np.testing.assert_array_equal(right, report.correct_per_restart[restart])
    other = worst_case(target, config("rand_fgsm"), x, y, restarts=3, seed=6)
    assert (other.adv != report.adv).any()
    assert len({row.tobytes() for row in report.correct_per_restart}) > 1


def test_an_image_that_is_wrong_without_an_attack_is_broken_whatever_the_attack_does():
    target, _ = linear_target()
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


def test_a_tie_is_no_right_answer():
    def network(x):
        return x[:, 0, :2, 0]

    target = Target("test/tie", network, (1, 2, 1), 2)
    x = np.full((3, 1, 2, 1), 0.5, np.float32)
    x[2, 0, 0, 0] = 0.6
    y = np.zeros(3, np.int64)
    report = worst_case(target, config("pgd", eps=1e-3, step_size=1e-3, steps=1), x, y)
    np.testing.assert_array_equal(report.natural > 0, [False, False, True])
    assert report.robust_accuracy[-1] == pytest.approx(1 / 3)


def test_what_is_done_already_is_not_run_again():
    target, _ = linear_target()
    x, y = images(60)
    settings = config("blob")
    whole = worst_case(target, settings, x, y, restarts=4)
    two = worst_case(target, settings, x, y, restarts=2)
    seen = []

    def engine(units):
        def watched():
            for unit in units:
                seen.append(unit.restart)
                yield unit

        return local(target, x, y)(watched())

    rest = worst_case(target, settings, x, y, restarts=4, so_far=two, engine=engine)
    assert seen == [2, 3]
    np.testing.assert_array_equal(rest.adv, whole.adv)
    np.testing.assert_array_equal(rest.margin, whole.margin)
    np.testing.assert_array_equal(rest.correct_per_restart, whole.correct_per_restart)
    seen.clear()
    same = worst_case(target, settings, x, y, restarts=4, so_far=whole, engine=engine)
    assert not seen
    np.testing.assert_array_equal(same.adv, whole.adv)


def test_all_units_form_one_stream_over_the_jobs():
    target, _ = linear_target()
    x, y = images(30)
    jobs = [Job(config("pgd"), 3), Job(config("blob"), 2, seed=4), Job(config("fgsm"))]
    events = list(worst_cases(target, jobs, x, y, engine=ahead(target, x, y, 5)))
    assert [e.job for e in events] == [0, 0, 0, 1, 1, 2]
    assert [k for k, e in enumerate(events) if e.finished] == [2, 4, 5]
    for job, event in zip(jobs, [events[2], events[4], events[5]], strict=True):
        alone = worst_case(target, job.config, x, y, restarts=job.restarts, seed=job.seed)
        np.testing.assert_array_equal(event.report.adv, alone.adv)


def test_results_may_come_in_any_order():
    target, _ = linear_target()
    x, y = images(30)

    def backwards(units):
        """Three units at a time, the last one first."""
        while True:
            some = [unit for _ in range(3) if (unit := next(units, None)) is not None]
            if not some:
                return
            yield from local(target, x, y)(iter(some[::-1]))

    jobs = [Job(config("rand_fgsm"), 5), Job(config("pgd"), 2)]
    events = list(worst_cases(target, jobs, x, y, engine=backwards))
    assert [event.finished for event in events].count(True) == 2
    for number, job in enumerate(jobs):
        (last,) = [e.report for e in events if e.job == number and e.finished]
        alone = worst_case(target, job.config, x, y, restarts=job.restarts)
        np.testing.assert_array_equal(last.correct_per_restart, alone.correct_per_restart)
        np.testing.assert_array_equal(last.adv, alone.adv)


def test_a_plan_chooses_images_from_the_report_and_waits_for_it():
    target, _ = linear_target()
    x, y = images(60)
    settings = config("pgd", restarts="standing")
    plain = worst_case(target, config("pgd"), x, y, restarts=3)
    alone = worst_case(target, settings, x, y, restarts=3)
    jobs = [Job(settings, 3), Job(config("fgsm"))]
    events = list(worst_cases(target, jobs, x, y, engine=ahead(target, x, y, 4)))
    (last,) = [e.report for e in events if e.job == 0 and e.finished]
    np.testing.assert_array_equal(last.adv, alone.adv)
    assert alone.gradients.sum() < plain.gradients.sum()
    assert alone.correct_per_restart.shape == (3, 60)
    half = worst_case(target, settings, x, y, restarts=2)
    complete = worst_case(target, settings, x, y, restarts=3, so_far=half)
    np.testing.assert_array_equal(complete.adv, alone.adv)
    np.testing.assert_array_equal(complete.gradients, alone.gradients)


def test_a_job_may_have_a_plan_of_its_own():
    target, _ = linear_target()
    x, y = images(20)

    def half(config, seed):
        yield Unit(config, seed, 0, np.arange(10))

    (event,) = worst_cases(target, [Job(config("pgd"), plan=half)], x, y)
    assert event.report.gradients.tolist() == [20] * 10 + [0] * 10


def test_a_plan_that_waits_for_nothing_is_a_defect():
    def waits(config, seed):
        yield Unit(config, seed, 0)
        while True:
            yield None

    target, _ = linear_target()
    with pytest.raises(RuntimeError, match="a plan waits for results"):
        list(worst_cases(target, [Job(config("fgsm"), plan=waits)], *images(20)))
