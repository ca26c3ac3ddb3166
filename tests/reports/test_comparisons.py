import pytest

from daa import AttackConfig
from daa.reports import stats, tables, wording
from daa.reports.comparisons import budgeted, compare
from daa.reports.results import ResultSet, load
from daa.runs.config import RESULTS
from daa.runs.records import Record


@pytest.fixture
def pgd(committed) -> Record:
    return {record.run: record for record in load(committed).records}["pgd-xent"]


def run(pgd: Record, method: str = "blob", broken: int | set[int] = 0, **changes) -> Record:
    """A run like `pgd` of another method, which breaks these images, or `pgd`'s and some more."""
    if isinstance(broken, int):
        others = [i for i in range(pgd.images) if i not in set(pgd.broken)]
        broken = {*pgd.broken, *others[:broken]}
    settings = {name: changes.pop(name) for name in list(changes) if name in AttackConfig.names()}
    readable = AttackConfig.readable(method, settings)
    same = {name: value for name, value in pgd.settings.items() if name in readable}
    attack = AttackConfig(**{**same, "method": method, **settings})
    update = {"run": f"{method}-x", "attack": attack, "broken": tuple(sorted(broken)), **changes}
    return pgd.model_copy(update=update)


def test_only_the_method_and_the_minibatches_may_differ(pgd):
    never = {"shuffle": "never", "formula": "pytorch"}
    for changes in ({}, {"c": 2.0}, {"batch_size": 100}, {"steps_per_shuffle": 5}, never):
        (found,) = compare([run(pgd, **changes), pgd])
        assert found.pgd is pgd


OTHER = {
    **{"eps": 0.2, "loss": "cw", "steps": 100, "step_size": 0.02, "precision": "bfloat16"},
    **{"random_start": False, "clip_start": True, "clip_range": False, "start": "signs"},
    **{"targeted": "least_likely", "keep": "best", "momentum": 0.5, "images": 100, "seed": 1},
    **{"target": "tiny/cnn", "weights_sha256": "other", "data": "other", "data_sha256": "other"},
}


@pytest.mark.parametrize("name", OTHER)
def test_without_a_run_of_pgd_that_is_the_same_otherwise_there_is_no_comparison(pgd, name):
    record, other = (run(pgd, method, **{name: OTHER[name]}) for method in ("blob", "pgd"))
    assert compare([record, pgd]) == []
    assert compare([record, pgd, other])[0].pgd is other


def test_other_methods_and_other_numbers_of_restarts_are_not_compared(pgd):
    for record in (run(pgd, "momentum"), run(pgd).model_copy(update={"restarts": 3})):
        assert compare([record, pgd]) == []


def test_the_comparison_and_the_table_say_which_attack_breaks_more_and_by_how_many(pgd):
    broken = {"a": 8, "b": set(pgd.broken[3:]), "c": 0}
    runs = (*(run(pgd, broken=of, run=name) for name, of in broken.items()), pgd)
    found = [(pair.only_daa, pair.only_pgd, pair.more, pair.p) for pair in compare(runs)]
    p = stats.mcnemar(8, 0), stats.mcnemar(0, 3)
    assert found == [(8, 0, "DAA", p[0]), (0, 3, "PGD", p[1]), (0, 0, "equal", 1)]
    names = ["breaks more", "only DAA : only PGD", "p McNemar", "p Holm"]
    rows = tables.table(ResultSet(runs)).rows
    assert [[row[name] for name in names] for row in rows] == [
        ["DAA", "8 : 0", "0.0078", "0.023"],
        ["PGD", "0 : 3", "0.25", "0.5"],
        ["equal", "0 : 0", "1", "1"],
        ["", "", "", ""],
    ]


def test_p_is_corrected_for_all_comparisons_together(pgd):
    runs = [run(pgd, broken=count) for count in (8, 6, 2)]
    found = compare([*runs, pgd])
    assert [one.p_holm for one in found] == stats.holm([one.p for one in found])
    # 6 images alone would have p = 0.031.
    assert [one.stronger for one in found] == ["DAA", None, None]
    assert compare([runs[1], pgd])[0].stronger == "DAA"


def test_the_verdict_counts_stronger_equal_and_weaker_runs(pgd):
    weaker = run(pgd, broken=set(pgd.broken[20:])).model_copy(update={"run": "blob-weak"})
    assert wording.verdict(ResultSet((pgd, run(pgd, broken=20), run(pgd, broken=1), weaker))) == (
        "DAA is stronger than PGD in 1 of 3 comparisons (p < 0.05 after Holm's correction), "
        "weaker in 1 (blob-weak); no significant difference in 1."
    )
    assert wording.verdict(ResultSet((pgd,))) == ""


def test_t_is_positive_if_daa_is_stronger(pgd):
    lower = tuple(a - 0.01 * (1 + k / 10) for k, a in enumerate(pgd.accuracy_per_restart))
    (pair,) = compare([run(pgd, accuracy_per_restart=lower), pgd])
    for paired, test in ((False, pair.unpaired), (True, pair.paired)):
        assert test == stats.ttest(pgd.accuracy_per_restart, lower, paired=paired)
        assert test.t > 0


def test_a_single_restart_and_restarts_that_leave_images_out_are_not_tested(pgd):
    one = {"restarts": 1, "accuracy_per_restart": pgd.accuracy_per_restart[:1]}
    single = tuple(record.model_copy(update=one) for record in (run(pgd), pgd))
    left_out = tuple(
        record.model_copy(update={"attack": record.attack.replace(restarts="standing")})
        for record in (run(pgd), pgd)
    )
    for pair in (single, left_out):
        assert compare(pair)[0].paired.t is compare(pair)[0].unpaired.t is None
        assert tables.tests(ResultSet(pair)) is None


def test_a_table_of_several_commits_lists_them(pgd):
    assert wording.commits([pgd, run(pgd)]) == ""
    other = run(pgd, git_commit="0123456789-dirty")
    both = run(pgd, git_commit=f"{pgd.git_commit} and 0123456789-dirty")
    assert wording.commits([pgd, pgd, other, both]) == (
        f"The runs were computed with several commits of the code: {pgd.git_commit[:7]} (3 runs), "
        "0123456-dirty (2 runs)."
    )
    assert "several commits" in tables.markdown(ResultSet((pgd, other)))
    assert "% The runs were computed" in tables.latex(ResultSet((pgd, other)))


def test_an_adaptive_run_is_compared_with_pgd_of_its_seed_and_images():
    records = load(RESULTS / "equal_budget").records
    pairs = budgeted(records)
    assert [(pair.daa.seed, pair.pgd.seed) for pair in pairs] == [(0, 0), (1, 1), (2, 2)]
    assert all(pair.p_holm >= pair.p for pair in pairs)
    fewer = [r.model_copy(update={"images": 5}) for r in records if r.seed == 0]
    adaptive = [r for r in records if r.attack.method == "adaptive"]
    assert [pair.daa.images for pair in budgeted([*adaptive, *fewer])] == [5]
