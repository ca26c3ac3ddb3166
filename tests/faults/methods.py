"""Faults of what attacks are made of: methods, parts, starts, aims, steps, the adaptive plan."""

# ruff: noqa: E501

METHODS = "attack/test_parts.py attack/test_units.py attack/test_methods.py attack/test_attack.py -k 'not xla'"

FAULTS = [
    (
        "daa/methods.py",
        METHODS,
        [
            (
                'if self.particles:\n            found["steps_per_shuffle"] = 10',
                'if True:\n            found["steps_per_shuffle"] = 10',
            ),
            (
                'plan=plans.standing if given.get("restarts") == "standing" else row.plan',
                "plan=row.plan",
            ),
            ('start=STARTS.get(str(given.get("start")), row.start)', "start=row.start"),
            ('0 < eps <= 1, "eps"', 'eps <= 1, "eps"'),
            ("fits = 0 < self.step_size <= self.eps", "fits = 0 < self.step_size"),
            ("self.steps % self.steps_per_shuffle == 0", "True"),
            ("self.batch_size >= 2", "self.batch_size >= 1"),
            (
                "return self.steps_per_shuffle if self.parts.particles else self.steps_per_unit",
                "return self.steps_per_unit",
            ),
            ("+= 1 if row.direction is not directions.nowhere else 0.5", "+= 1"),
            ("(0.5 if self.keep else 0)", "0"),
            (
                "parts.cost(row.start, options) + parts.cost(row.aim, options)",
                "parts.cost(row.start, options)",
            ),
            (
                "return cls(**{name: value for name, value in settings.items() if name in known})",
                "return cls(**settings)",
            ),
            (
                '            require(name in defaults, name, f"no such option for {method}", value)\n',
                "            pass\n",
            ),
            (
                '"blob": Method("DAA-BLOB", direction=directions.blob, particles=True, options={"c": 1.1})',
                '"blob": Method("DAA-BLOB", direction=directions.blob, particles=True, options={"c": 1.0})',
            ),
            ("{**self.settings(), **changes}", "{**changes, **self.settings()}"),
        ],
    ),
    (
        "daa/parts.py",
        METHODS,
        [
            ('value >= 1 else "a whole number >= 1"', 'value >= 0 else "a whole number >= 1"'),
            ("isinstance(value, int) and not isinstance(value, bool)", "isinstance(value, int)"),
            (
                "if not isinstance(value, (int, float)) or isinstance(value, bool):",
                "if not isinstance(value, (int, float)):",
            ),
            (
                "return call(spent, options) if callable(spent) else spent",
                "return 0.0 if callable(spent) else spent",
            ),
        ],
    ),
    (
        "daa/starts.py",
        "attack/test_starts.py attack/test_methods.py attack/test_attack.py attack/test_adaptive.py",
        [
            # random_start or clip_start ignored.
            ("    if not random_start:\n        return x.copy()\n", ""),
            ("return np.clip(noise, 0, 1) if clip_start and clip_range else noise", "return noise"),
            (
                "return np.clip(noise, 0, 1) if clip_start and clip_range else noise",
                "return np.clip(noise, 0, 1)",
            ),
            ("noise *= np.float32(2 * eps)", "noise *= np.float32(eps)"),
            ("noise -= np.float32(eps)", "noise -= np.float32(0)"),
            # Sign noise always +.
            (
                "noise = np.sign(rng.standard_normal(x.shape, dtype=np.float32))",
                "noise = np.ones(x.shape, np.float32)",
            ),
            ("start = x + np.float32(eps / 2) * noise", "start = x + np.float32(eps) * noise"),
            ("return x + np.float32(eps) * _sign(rng, x.shape)\n", "return x + np.float32(eps)\n"),
            (
                "(2 * rng.integers(0, 2, shape, dtype=np.int8) - 1)",
                "(2 * rng.integers(1, 2, shape, dtype=np.int8) - 1)",
            ),
            ("_sign(rng, (n, 1, width, channels))", "_sign(rng, (n, 1, 1, channels))"),
            (
                "rng.random(x.shape, dtype=np.float32) < kicked",
                "rng.random(x.shape, dtype=np.float32) > kicked",
            ),
            ("np.where(moved, x + np.float32(eps)", "np.where(moved, best + np.float32(eps)"),
            ("_sign(rng, x.shape), best)", "_sign(rng, x.shape), x)"),
            (
                "w = rng.uniform(-1, 1, (len(x), target.classes))",
                "w = rng.uniform(0, 1, (len(x), target.classes))",
            ),
            ("np.float32(odi_step * eps) * np.sign(grad)", "np.float32(odi_step * eps) * 0"),
            ("start + np.float32(odi_step * eps)", "start - np.float32(odi_step * eps)"),
            ("for _ in range(odi_steps):", "for _ in range(1):"),
            (
                "others = np.flatnonzero(y == label), np.flatnonzero(labels == label)",
                "others = np.flatnonzero(y == label), np.arange(len(labels))",
            ),
            (
                'np.argsort(apart, axis=1, kind="stable")[:, :nearest]',
                'np.argsort(-apart, axis=1, kind="stable")[:, :nearest]',
            ),
            ("rng.integers(0, near.shape[1], len(own))", "0"),
            ("start[own] = x[own] + perturbations", "start[own] = x[own] - perturbations"),
        ],
    ),
    (
        "daa/aims.py",
        "attack/test_methods.py attack/test_attack.py",
        [
            ("return y, 1.0", "return y, -1.0"),
            ("argmin(axis=1), x), -1.0", "argmax(axis=1), x), -1.0"),
            ('"target_labels")[1], -1.0', '"target_labels")[1], 1.0'),
            ("logits[rows, y] = -np.inf", "pass"),
            ("np.argsort(-logits", "np.argsort(logits"),
            ("np.full(len(y), restart) if ranks is None else ranks", "np.full(len(y), restart)"),
            (
                "np.full(len(y), restart) if ranks is None else ranks",
                "np.zeros(len(y), int) if ranks is None else ranks",
            ),
            ("min(nearest, target.classes - 1)", "(target.classes - 1)"),
        ],
    ),
    (
        "daa/steps.py",
        "attack/test_methods.py attack/test_steps.py attack/test_attack.py",
        [
            (
                "return adv + tf.cast(step_size, adv.dtype) * tf.sign(v)",
                "return adv + tf.cast(step_size, adv.dtype) * v",
            ),
            ('eps if rand_fgsm == "uniform" else eps / 2', "eps"),
            ("eps / tf.cast(steps, tf.float64)", "eps"),
            ("tf.cast(steps, tf.float64) - 1.0, one)", "tf.cast(steps, tf.float64), one)"),
            ("eps * first_step * (last_step / first_step) ** part", "eps * first_step"),
            (
                "eps * first_step * (last_step / first_step) ** part",
                "eps * (first_step + (last_step - first_step) * part)",
            ),
            ("for part in (0.06, 0.03))", "for part in (0.03, 0.06))"),
            ('tf.where(first, 2.0 * eps, m["length"])', 'tf.where(first, eps, m["length"])'),
            (
                'tf.cast(~first & (losses > m["previous"]), adv.dtype)',
                'tf.cast(losses > m["previous"], adv.dtype)',
            ),
            ("tf.where(first, 0.0, 1.0)\n", "1.0\n"),
            ('higher = losses > m["highest"]', 'higher = losses < m["highest"]'),
            ('tf.where(_wide(higher), v, m["highest_v"])', "v"),
            ("check = age >= period", "check = age > period"),
            ('(m["halved"] == 0) & (m["highest_at_check"] >= highest)', "tf.zeros_like(check)"),
            (
                '(m["halved"] == 0) & (m["highest_at_check"] >= highest)',
                'm["highest_at_check"] >= highest',
            ),
            ("(rises <= rho * period)", "(rises <= 0.5 * rho * period)"),
            ("tf.where(_wide(halve), highest_image, adv)", "adv"),
            ("tf.where(_wide(halve), highest_v, v)", "v"),
            ("share = tf.where(first, 1.0, 0.75)", "share = tf.where(first, 1.0, 1.0)"),
            ('(1.0 - share) * (here - m["before"])', '(1.0 - share) * (m["before"] - here)'),
            ('"before": here,', '"before": adv,'),
            ('tf.where(at_check, highest, m["highest_at_check"])', "highest"),
            ('"previous": losses,', '"previous": highest,'),
            ('"rises": tf.where(check, 0.0, rises)', '"rises": rises'),
            ("tf.maximum(period - less, shortest)", "period - less"),
            ('tf.where(check, tf.cast(halve, adv.dtype), m["halved"])', 'm["halved"]'),
            ('better = losses > memory["highest"]', "better = losses > -np.inf"),
            ("tf.cast(side, tf.float32) * 0.5**halvings", "tf.cast(side, tf.float32)"),
            ("min(height, width) - 1)", "min(height, width))"),
            (
                "noise[:, axis] * tf.cast(size - length + 1",
                "noise[:, 0] * tf.cast(size - length + 1",
            ),
            (
                "noise[:, axis] * tf.cast(size - length + 1",
                "noise[:, axis] * tf.cast(size - length",
            ),
            (
                "corner = tf.where(noise[:, None, None, 2:] < 0.5",
                "corner = tf.where(noise[:, None, None, :1] < 0.5",
            ),
            ("tf.where(square, corner, kept)", "tf.where(square, corner, adv)"),
            ('"highest": tf.maximum(losses, memory["highest"])', '"highest": losses'),
            ("_SQUARES = (0.001, 0.005,", "_SQUARES = (0.5, 0.5,"),
        ],
    ),
    (
        "daa/arms.py",
        "attack/test_arms.py attack/test_adaptive.py",
        [
            ('"scale": FLAT / margin', '"scale": SCALE / margin'),
            ('"clip_range": config.clip_range,', '"clip_range": True,'),
            ('"precision": config.precision,', '"precision": "float32",'),
            ("steps=2 * steps)", "steps=steps)"),
            (
                "np.full(len(arms), 1.0) if even else np.maximum(best, LEAST)",
                "np.full(len(arms), 1.0)",
            ),
            ("arm.gradients += outcome.gradients * len(rows)", "arm.gradients += len(rows)"),
            ("first, last = lengths or arm.lengths", "first, last = arm.lengths"),
            ("arm.owed = float(want - got)", "arm.owed = 0.0"),
        ],
    ),
    (
        "daa/adaptive.py",
        "attack/test_arms.py attack/test_adaptive.py",
        [
            ("float(np.median(right)) if len(right) else 1.0", "1.0"),
            ("standing = np.flatnonzero(margin > 0)", "standing = np.arange(n)"),
            ("late = minutes is not None and", "late = False and"),
            ("margin[standing] * (1 + tries[standing])", "margin[standing]"),
            ("default_rng((seed, number, 1))", "default_rng((0, number, 1))"),
            ("                number += 1\n", "                pass\n"),
            ("spent += sum(o.gradients", "spent += 0 * sum(o.gradients"),
            ("if k == 0 and dead > DEAD:", "if False:"),
            ("return report.adv[chosen][None]", "return x[chosen][None]"),
            ("(report.margin <= 0) & (report.natural > 0)", "report.margin <= 0"),
            ("    broken = np.setdiff1d(broken, chosen)\n", ""),
            ("report.adv[broken] - x[broken]\n", "x[broken] - report.adv[broken]\n"),
            ("            steps *= reach.times\n", "            pass\n"),
            ("        if left >= min(batch, n) * (reach.times", "        if True or (reach.times"),
            ("if last.times > 1:", "if False:"),
            ("longest = min(2 * last.longest, LONGEST)", "longest = 2 * last.longest"),
            ("wide=chosen, longest=longest", "wide=narrow, longest=longest"),
        ],
    ),
]
