"""Faults of reports: comparisons, tables, figures, boards, the page."""

FAULTS = [
    (
        "daa/experiments/comparisons.py",
        "experiments/test_tables.py experiments/test_baseline.py -k 'not committed_tables'",
        [
            # A baseline with another random start.
            ("*BLOCKS} - _COUPLING", '*BLOCKS} - _COUPLING - {"random_start"}'),
            ("*BLOCKS} - _COUPLING", '*BLOCKS} - _COUPLING - {"loss"}'),
            ("*BLOCKS} - _COUPLING", '*BLOCKS} - _COUPLING - {"step_size"}'),
            ("return same_run and all(", "return all("),
            ('_COUPLING = {"method", "batch_size", "shuffle"}', '_COUPLING = {"method"}'),
        ],
    ),
    (
        "daa/experiments/stats.py",
        "experiments/test_stats.py",
        [
            ('method="exact"', 'method="wilson"'),
            (
                "differing = only_first + only_second",
                "differing = max(only_first, only_second) + 1",
            ),
            ("_test(stats.ttest_rel, first, second)", "_test(stats.ttest_ind, first, second)"),
        ],
    ),
    (
        "daa/experiments/page.py",
        "experiments/test_page.py experiments/test_page_limits.py",
        [
            # A page without escaping; partial sets ranked.
            ("autoescape=True", "autoescape=False"),
            (" and record.images == _RANKED_IMAGES", ""),
            ('if record.weights == "original" and', "if"),
            ('LEFT_OUT = ("quickstart",)', "LEFT_OUT = ()"),
            # The paper on a page that is not about it.
            (" if _of_paper(results) else {}", ""),
            (" if _of_paper(results) else [b for b", " if True else [b for b"),
            ("board if _of_paper(results) else", "board if True else"),
        ],
    ),
    (
        "daa/experiments/summary.py",
        "experiments/test_summary.py experiments/test_page.py",
        [
            # A difference without a small p; a card of another radius or seed.
            (
                '{"DAA": "stronger", "PGD": "weaker", None: "none"}[comparison.stronger]',
                '{"DAA": "stronger", "PGD": "weaker", "equal": "none"}[comparison.more]',
            ),
            ("return own if own in radii else radii[0]", "return max(radii)"),
            ("record.attack.eps == eps and record.seed == seed", "record.attack.eps == eps"),
            ("key=lambda one: (one.daa.worst, one.p_holm)", "key=lambda one: -one.daa.worst"),
            ("max(one.p_holm for one in pairs)", "min(one.p_holm for one in pairs)"),
            ("original and (path.stem, target) not in done", "original"),
        ],
    ),
    (
        "daa/experiments/plots.py",
        "experiments/test_plots.py experiments/test_figures.py",
        [
            ("line.x, line.low, line.high, color", "line.x, line.y, line.high, color"),
            ("there = np.isfinite(line.y)", "there = np.isfinite(line.x)"),
            ("bottom = (foot + legend) / height", "bottom = 0"),
        ],
    ),
    (
        "daa/experiments/plotting.py",
        "experiments/test_plots.py experiments/test_page.py",
        [
            (r'rf"\1{name}-"', r'r"\1"'),
            ('"svg.fonttype": "none"', '"svg.fonttype": "path"'),
            ("SMALL = 8", "SMALL = 7"),
        ],
    ),
    (
        "daa/experiments/boards.py",
        "experiments/test_boards.py",
        [
            (
                "1 + sum(other < accuracy for other in shown)",
                "1 + sum(other <= accuracy for other in shown)",
            ),
            ("round(accuracy, 2) for", "round(accuracy, 3) for"),
            ("if entry.target == self.target]", "]"),
            ("rows.sort(key=lambda row: (row[1], row[2]))", "pass"),
        ],
    ),
    (
        "daa/experiments/living.py",
        "experiments/test_living.py",
        [
            ("entry.accuracy, entry.date, entry.name", "entry.accuracy, entry.name"),
            ("1 + values.index(entry.accuracy)", "1 + ordered.index(entry)"),
            ("        if same_array:", "        if False:"),
            ("        if same_name:", "        if False:"),
            ("return path, False", "pass"),
            ('require(entry.target == target, f"{path}: target"', "require(True, ''"),
        ],
    ),
    (
        "daa/experiments/entering.py",
        "experiments/test_living.py",
        [
            ('update={"accuracy": _verified(about, path)}', 'update={"accuracy": 0.5}'),
            ("    page = living.write(folder)", "    page = folder"),
            ("require(key in said,", "require(True,"),
        ],
    ),
    (
        "daa/experiments/collection.py",
        "experiments/test_out.py",
        [("(folder, out / name) for", "(folder, out) for"), ("name not in names[:k]", "True")],
    ),
    (
        "daa/experiments/tables.py",
        "experiments/test_tables.py experiments/test_top5.py -k 'not committed_tables'",
        [
            (
                "worst = 100 * (1 - len(broken) / images)",
                "worst = 100 * (1 - len(broken) / 10_000)",
            ),
            ("_percent(line.record.top5_accuracy)", "_percent(line.record.worst)"),
            ("_given(line.record.paper_top5_percent)", "_given(line.record.paper_percent)"),
        ],
    ),
    (
        "daa/experiments/wording.py",
        "experiments/test_wording.py experiments/test_tables.py -k 'radius or label or pixel'",
        [
            ("and pixels / 255 == eps:", "and True:"),
            ("if float(decimal) != eps and", "if"),
            ('found.append("not clipped to [0, 1]")', "pass"),
        ],
    ),
    (
        "daa/experiments/figures.py",
        "experiments/test_figures.py",
        [
            # The band of a figure.
            (
                "(np.mean, np.min, np.max)",
                "(np.mean, np.mean, np.max)",
            ),
            (
                "(np.mean, np.min, np.max)",
                "(np.mean, np.min, np.mean)",
            ),
            ("run - pgd[x].mean() for x", "run - pgd[x].min() for x"),
            (
                "100 * np.array(record.robust_accuracy)",
                "100 * np.array(record.accuracy_per_restart)",
            ),
            ("(np.mean, np.min, np.max)", "(np.min, np.min, np.max)"),
            ("set(shown.rows) <= set(by_name)", "True"),
        ],
    ),
    (
        "daa/experiments/tidy.py",
        "experiments/test_tables.py -k tidy",
        [
            ("round(percent / 100, 12)", "percent"),
            ("str(value).lower() if isinstance(value, bool) else str(value)", "str(value)"),
            ("images - len(self.record.broken), images)", "len(self.record.broken), images)"),
        ],
    ),
    (
        "daa/experiments/examples.py",
        "experiments/test_examples.py experiments/test_run.py -k 'examples'",
        [
            (
                "chosen = sorted(second - first)[:images]",
                "chosen = sorted(first - second)[:images]",
            ),
            ("chosen = sorted(second - first)[:images]", "chosen = sorted(second)[:images]"),
            ("if report is not None],", "if report is not None][::-1],"),
        ],
    ),
    (
        "daa/experiments/tabular.py",
        "experiments/test_wording.py experiments/test_tables.py -k 'lines_up or latex'",
        [
            ('.replace("&", r"\\&")', ""),
            ('return text.replace("%", r"\\%")', "return text"),
        ],
    ),
    (
        "daa/experiments/paper/plan.py",
        "experiments/paper/test_plan.py",
        [
            ("family.read_weights(name, family.find_weights(name, model_dir))", "pass"),
            ("places.data_dir(options.data_dir)", "pass"),
            ("places.model_dir(options.model_dir)", "pass"),
        ],
    ),
    (
        "daa/experiments/paper/report.py",
        "experiments/paper/test_report.py experiments/paper/test_paper_script.py -k 'not plan'",
        [
            ("require(ours,", "require(True,"),
            # A task that can't go on keeps what it has.
            ("    if not any((folder /", "    if task.missing or not any((folder /"),
            ("if not task.missing or found[task.entry.config]", "if not task.missing"),
            ("if task.missing and not (one and _finished(task, one)):", "if task.missing:"),
        ],
    ),
    (
        "daa/experiments/paper/verdicts.py",
        "experiments/paper/test_verdicts.py",
        [
            # A value on a stand-in.
            ("number.kind not in ORDERS:", 'number.kind not in (*ORDERS, "examples"):'),
            ("pgd is not None and pgd.paper is None else", "pgd is not None else"),
            ('verdict.number.kind != "worst":', "True:"),
            # What a stand-in is given, not what a user asks for.
            ("return instead.images, min(instead.restarts,", "return 1, min(instead.restarts,"),
            ("images < SHARE * planned", "not task.stand_in and images < SHARE * planned"),
            ("instead, number.assumed\n", "instead\n"),
            ("(instead, _beside(verdict, task), number.assumed)", "(instead, number.assumed)"),
            ("found.missing or any(record.restarts != done", "any(record.restarts != done"),
            ("found.missing or any(record.restarts != done", "found.missing or any(False and done"),
        ],
    ),
    (
        "daa/experiments/paper/orders.py",
        "experiments/paper/test_verdicts.py",
        [
            ('if sides["PGD"]:', "if False:"),
            ('"weaker here" if sides["DAA"] else', '"weaker here" if False else'),
            ('elif not sides["DAA"]:', "elif not lower:"),
            ('"reproduced in part" if higher else', '"reproduced in part" if False else'),
            ("min(point[True], key=_right)", "max(point[True], key=_right)"),
            ("_right(pair.daa) < _right(pair.pgd)", "_right(pair.daa) <= _right(pair.pgd)"),
            ("round(share * record.images)", "share * record.images"),
            ("if side == 0:", "if False:"),
            ("elif printed == 0:", "elif False:"),
            ('f"{100 * test.p:.1e} %"', 'f"{test.p:.1e} %"'),
        ],
    ),
    (
        "daa/experiments/paper/paragraph.py",
        "experiments/paper/test_report.py",
        [
            ("    if strangers:", "    if False:"),
            ("if [*asked] == numbers.parts() else", "if True else"),
            ("line.task.stand_in != own", "own"),
            ("x.task.stand_in and x.verdict.record", "x.task.stand_in"),
            (
                "line.verdict.number.kind not in others",
                "line.verdict.number.kind not in numbers.ORDERS",
            ),
        ],
    ),
    (
        "daa/experiments/paper/whole.py",
        "experiments/paper/test_whole.py experiments/paper/test_rehearsal.py -k 'not kill'",
        [
            (
                "        self._work, self._out = work, out\n        self.write()\n",
                "        self._work, self._out = work, out\n        self._written = 0\n",
            ),
            ("- self._written >= _REPORTED_EVERY:", "- self._written >= 1e9:"),
            ("- self._written >= _REPORTED_EVERY:", "- self._written >= 0:"),
            ("(name not in told, seconds[name])", "seconds[name]"),
        ],
    ),
    (
        "daa/experiments/paper/rehearsal.py",
        "experiments/paper/test_rehearsal.py -k called_killed",
        [('"killed" if process.returncode < 0 else', '"killed" if True else')],
    ),
]
