"""Faults of the algorithm: attack, kernels, directions, ball, losses, target, restarts, plans."""

# ruff: noqa: E501

ATTACK = "attack/test_units.py attack/test_restarts.py attack/test_methods.py attack/test_attack.py -k 'not xla'"

FAULTS = [
    (
        "daa/attack.py",
        ATTACK,
        [
            # The restart, or the seed, ignored.
            ("default_rng((seed, restart))", "default_rng((seed, 0))"),
            ("default_rng((seed, restart))", "default_rng((0, restart))"),
            # No shuffle; one shuffle for all rounds.
            ("rng.permutation(n) if config.parts.particles else np.arange(n)", "np.arange(n)"),
            (
                "order = rng.permutation(n) if config.parts.particles",
                "order = np.random.default_rng(0).permutation(n) if config.parts.particles",
            ),
            (
                "rng.permutation(n) if config.parts.particles else",
                "rng.permutation(n) if True else",
            ),
            (
                "yield begin, order[k : k + config.batch_size]",
                "yield 0, order[k : k + config.batch_size]",
            ),
            (
                "range(0, config.steps_per_unit, config.steps_per_visit)",
                "range(0, config.steps_per_visit, config.steps_per_visit)",
            ),
            ("        ball.check(adv, x, config.eps, clip_range=config.clip_range)\n", ""),
            (
                "ball.bounds(x, self.config.eps, clip_range=self.config.clip_range)",
                "ball.bounds(x, self.config.eps)",
            ),
            (
                "ball.check(adv, x, config.eps, clip_range=config.clip_range)",
                "ball.check(adv, x, config.eps, clip_range=False)",
            ),
            # Momentum, and all else that is remembered, forgotten between shuffles.
            (
                "                memory[name][batch] = value.numpy()[: len(batch)]\n",
                "                pass\n",
            ),
            (
                "{name: value[rows] for name, value in memory.items()}",
                "{name: value[: len(rows)] for name, value in memory.items()}",
            ),
            ("{name: value[rows] for", "{name: value[np.sort(rows)] for"),
            ("np.arange(size) < len(batch)", "np.arange(size) < size"),
            ("self._check_gradients(finite.numpy()[: len(batch)], batch)", "pass"),
            ("image {batch[~finite].min()}", "image {np.flatnonzero(~finite)[0]}"),
            ("tf.where(tf.reduce_all(finite), now, finite)", "now"),
            (
                "            if on_steps is not None:\n                on_steps(len(batch) * config.steps_per_visit)\n",
                "",
            ),
            (
                "on_steps(len(batch) * config.steps_per_visit)",
                "on_steps(size * config.steps_per_visit)",
            ),
            (
                'np.flatnonzero(memory["best_margin"] < last)',
                'np.flatnonzero(memory["best_margin"] > last)',
            ),
            (
                "            adv = self._inside(adv, x)  # the first image may be the best one\n",
                "            pass\n",
            ),
            ("[self._inside(version, x) for version in first]", "list(first)"),
            ("np.argmin(margins, axis=0)", "np.argmax(margins, axis=0)"),
            ('lower = now < memory["best_margin"]', 'lower = now > memory["best_margin"]'),
            ('"best_margin": tf.minimum(now, memory["best_margin"])', '"best_margin": now'),
            ("now = margin(logits, y)", "now = -margin(logits, y)"),
            (
                "lambda x: np.full(len(x), np.inf, np.float32)",
                "lambda x: np.full(len(x), -np.inf, np.float32)",
            ),
            (
                "return k + 1, ball.project(moved, lower, upper), memory, finite",
                "return k + 1, moved, memory, finite",
            ),
            ("return sign * (loss(", "return (loss("),
            (
                '                    logits = tf.cast(numbers["scale"], logits.dtype) * logits\n',
                "                    pass\n",
            ),
            ("noise[k - begin]", "noise[0]"),
            ("(start, x, y, x if best is None else best)", "(start, x, y, x)"),
            ('"ranks": ranks}', '"ranks": None}'),
            ("adv = storage.copy(first)", "adv = first"),
            (
                'dtype = tf.int32 if name == "steps" else tf.float64',
                'dtype = tf.int32 if name == "steps" else tf.float16',
            ),
            ('"steps": config.steps_per_unit}', '"steps": config.steps_per_visit}'),
            ("require(target.classes >= least,", "require(target.classes > 0,"),
            ("if (target_labels is not None) != by_labels:", "if False:"),
            ("in_precision(target, config.precision)", "target"),
            ("        *sorted(texts.items()),\n", ""),
            (
                "        config.clip_range,\n        jit,",
                "        jit,",
                "the bounds are given to the graph, so that no part of a graph reads clip_range",
            ),
            (
                "        jit,\n        blocks,",
                "        jit,",
            ),
            ("        method.step,\n        loss,", "        loss,"),
            ("        loss,\n        *sorted", "        *sorted"),
        ],
    ),
    (
        "daa/kernels.py",
        "attack/test_kernels.py attack/test_directions.py",
        [
            ("_ROUNDING = 1e-6", "_ROUNDING = 0.0"),
            ("_ROUNDING = 1e-6", "_ROUNDING = 1e-2"),
            ("_FAR = 1e8", "_FAR = 1e1"),
            (
                "return tf.linalg.set_diag(d, tf.zeros_like(norms))",
                "return d",
                "|x|^2 and x . x differ by rounding alone, which is set to 0 on any place",
            ),
            (
                "((count * count - 1) // 2, count * count // 2)",
                "((count * count - 1) // 2, (count * count - 1) // 2)",
            ),
            ("tf.where(k >= count,", "tf.where(k > count,"),
            # The median's index on a GPU.
            ("return tf.sort(values)[n]", "return tf.sort(values)[n + 1]"),
            ("return tf.sort(values)[n]", 'return tf.sort(values, direction="DESCENDING")[n]'),
            ('list_logical_devices("GPU")', 'list_logical_devices("CPU")'),
            ("else count) + more, tf.float64", "else count), tf.float64"),
            ("        d = tf.linalg.set_diag(d, tf.zeros_like(d[0]))\n", ""),
        ],
    ),
    (
        "daa/directions.py",
        "attack/test_directions.py attack/test_methods.py attack/test_pytorch_script.py",
        [
            # Decay ignored; momentum reset every step.
            ('tf.cast(decay, grad.dtype) * memory["velocity"]', 'memory["velocity"]'),
            ('tf.cast(decay, grad.dtype) * memory["velocity"] + ', ""),
            ('{**memory, "velocity": velocity}', "memory"),
            (
                'attraction = -inverse_h2 if formula == "paper" else inverse_h2',
                "attraction = -inverse_h2",
            ),
            (
                'attraction = -inverse_h2 if formula == "paper" else inverse_h2',
                "attraction = inverse_h2",
            ),
            (
                "whole, share = tf.cast(1.0 + share, g.dtype)",
                "whole, share = tf.cast(1.0, g.dtype)",
            ),
            ('(1 if formula == "released" else 0)', "0"),
            ('(1 if formula == "released" else 0)', "1"),
            ("(u - 1.0) * tf.exp(-u)", "u * tf.exp(-u)"),
            ("formula) - tf.cast(c, grad.dtype)", "formula) + tf.cast(c, grad.dtype)"),
            ('real=real, lower=formula == "pytorch")', "real=real, lower=False)"),
            (
                'lower = (1 if formula == "released" else 0), formula == "pytorch"',
                'lower = (1 if formula == "released" else 0), False',
            ),
            (
                'grad / tf.cast(_count(grad, real), grad.dtype) if formula == "pytorch" else grad',
                "grad",
            ),
            (
                "x.shape[0] if real is None else tf.reduce_sum(tf.cast(real, tf.int32))",
                "x.shape[0]",
            ),
            ("return rows - rows[:1]", "return rows"),
            ("inverse_h2 * pull, x.shape)", "-inverse_h2 * pull, x.shape)"),
            (
                "tf.cast(share, grad.dtype) * inverse_h2 * pull",
                "tf.cast(c, grad.dtype) * inverse_h2 * pull",
            ),
            ("tf.cast(share, grad.dtype) * inverse_h2 * pull", "tf.cast(share, grad.dtype) * pull"),
            ("* tf.sign(grad)\n", "* grad\n"),
            (
                "share * grad + (1.0 - share) * gradient(ahead)",
                "(1.0 - share) * grad + share * gradient(ahead)",
            ),
            (
                "share * grad + (1.0 - share) * gradient(ahead)",
                "share * grad + (1.0 - share) * gradient(x)",
            ),
        ],
    ),
    (
        "daa/ball.py",
        "attack/test_ball.py attack/test_attack.py",
        [
            (
                "np.where(exact - lower > eps, np.nextafter(lower, np.float32(np.inf)), lower)",
                "lower",
            ),
            (
                "np.where(upper - exact > eps, np.nextafter(upper, np.float32(-np.inf)), upper)",
                "upper",
            ),
            ("np.minimum(upper, np.float32(1))", "upper"),
            ("np.maximum(lower, np.float32(0))", "lower"),
            ("distance <= eps, distance", "distance <= eps + 1e-6, distance"),
            ("(image >= 0) & (image <= 1)", "image <= 1"),
            ("(image >= 0) & (image <= 1)", "image >= 0"),
            ("tf.minimum(tf.maximum(x, lower), upper)", "tf.maximum(x, lower)"),
        ],
    ),
    (
        "daa/losses.py",
        "attack/test_losses.py attack/test_methods.py",
        [
            ("_CW_CONFIDENCE = 50.0", "_CW_CONFIDENCE = 0.0"),
            ("return label - other", "return other - label"),
            ("return -tf.nn.relu(", "return tf.nn.relu("),
            ("tf.where(own, -np.inf, logits)", "logits"),
            ("return own - aimed", "return aimed - own"),
            ("top[:, 0] - top[:, 2] + 1e-12", "top[:, 0] - top[:, 1] + 1e-12"),
            ("return -margin(logits, labels) /", "return margin(logits, labels) /"),
            ("(top[:, 2] + top[:, 3]) / 2", "(top[:, 1] + top[:, 2]) / 2"),
            ("dlr, classes=3", "dlr, classes=2"),
            ("dlr_targeted, classes=4", "dlr_targeted, classes=3"),
        ],
    ),
    (
        "daa/target.py",
        "attack/test_target.py attack/test_units.py",
        [
            (
                "return self.lower + (self.upper - self.lower) * x",
                "return (self.upper - self.lower) * x",
            ),
            (
                "return (pixels.astype(np.float32) - np.float32(self.lower)) / span",
                "return pixels.astype(np.float32) / span",
            ),
            ("logits = self.network(self.bounds.to_native(x))", "logits = self.network(x)"),
            (
                "Dataset(self.name, self.x[:images], self.y[:images], self.sha256)",
                "Dataset(self.name, self.x[-images:], self.y[-images:], self.sha256)",
            ),
            ("1 <= images <= len(self)", "images <= len(self)"),
            ('if precision == "float32":', "if True:"),
            ("total = tf.reduce_sum(losses)", "total = tf.reduce_mean(losses)"),
            ("tf.reduce_sum(logits * w, axis=1)", "tf.reduce_sum(logits, axis=1)"),
            ("graph(x[part], given[part])", "graph(x[part], given[: batch_size][: len(x[part])])"),
            ('("gradient", loss), LOSSES', '"gradient", LOSSES'),
            ("~((x[part] >= 0) & (x[part] <= 1))", "~(x[part] <= 1)"),
            ("image {part.start + k}", "image {k}"),
            (
                "np.flatnonzero((y < 0) | (y >= target.classes))",
                "np.flatnonzero(y >= target.classes)",
            ),
            ("if y.shape != (len(x),) or", "if"),
            (
                "    allowed = get_args(Provenance)\n",
                "    allowed = (*get_args(Provenance), self.provenance)\n",
            ),
            ("return x, y.astype(np.int64)", "return x, y"),
        ],
    ),
    (
        "daa/restarts.py",
        "attack/test_units.py attack/test_restarts.py attack/test_adaptive.py",
        [
            # A tie counted as right, clean.
            (
                "float((margins(target, x, y) > 0).mean())",
                "float((margins(target, x, y) >= 0).mean())",
            ),
            (
                "worse = np.flatnonzero(result.margin < self.margin[rows])",
                "worse = np.flatnonzero(result.margin > self.margin[rows])",
            ),
            (
                "worse = np.flatnonzero(result.margin < self.margin[rows])",
                "worse = np.arange(len(result.margin))",
            ),
            ("np.where(natural > 0, np.float32(np.inf), natural)", "np.full_like(natural, np.inf)"),
            (
                "np.where(natural > 0, np.float32(np.inf), natural)",
                "np.where(natural >= 0, np.float32(np.inf), natural)",
            ),
            # A run that goes on begins at restart 0.
            ("        self._skip_kept()\n", ""),
            ("storage.copy(kept.adv if kept else x)", "storage.copy(x)"),
            ("storage.copy(kept.adv if kept else x)", "(kept.adv if kept else x)"),
            ("np.minimum(self.margin[rows], outcome.margin)", "outcome.margin"),
            (
                "self._add(Outcome(unit.images, result.margin, unit.gradients))",
                "self._add(Outcome(None, result.margin, unit.gradients))",
            ),
            ("history=(*self.report.history, outcome)", "history=(outcome, *self.report.history)"),
            ("restart=unit.restart", "restart=0"),
            ("seed=unit.seed", "seed=0"),
            ("target_labels=unit.target_labels", "target_labels=None"),
            ("ranks=unit.ranks", "ranks=None"),
            ("first=unit.first", "first=None"),
            ("best=unit.best", "best=None"),
            (
                "x, y = storage.taken(x, unit.images), y[unit.images]",
                "x, y = x[: len(unit.images)], y[: len(unit.images)]",
            ),
            ("found = margins(attack.target, adv, y)", "found = margins(attack.target, x, y)"),
            ("1 <= self.restarts <=", "0 <= self.restarts <="),
            ("self.seed >= 0", "self.seed >= -1"),
            (
                "            if self.unit is None:\n                self._ask()\n",
                "",
            ),
            ("job.announced = job.finished", "job.announced = False"),
            ("first = self.out.popleft()", "first = self.out.pop()"),
            (
                "job = Job(config, restarts, seed, target_labels, so_far)",
                "job = Job(config, restarts, 0, target_labels, so_far)",
            ),
            ("            on_unit(progress.report)\n", "            pass\n"),
            ("return self.over and not self.out", "return self.over"),
        ],
    ),
    (
        "daa/storage.py",
        "attack/test_storage.py -k 'not few_images'",
        [
            ("if room is None or COPIES * size <= room:", "if room is None or size <= room:"),
            ("    if size <= disk:", "    if size <= disk and False:"),
            ("    if size < room:", "    if False:"),
            ("COPIES * image_bytes, FILES * image_bytes", "image_bytes, image_bytes"),
            ("max(room // in_memory, disk // on_disk)", "room // in_memory"),
            ("0 if kind in _MEMORY else free", "free"),
            ("sorted(over, key=lambda mount: mount[0])[-1][1]", "over[0][1]"),
            ("folder.is_relative_to(place)", "str(folder).startswith(place)"),
            ("limit - now + _of_files(groups / about, names)", "limit - now"),
            ("if line.split()[0] in names)", ")"),
            ("os.posix_fallocate(file.fileno(), 0, size)", "file.truncate(size)"),
            ("found[chosen[k : k + step]]", "found[rows[k : k + step]]"),
            ("found[part] = array[rows[part]]", "found[part] = array[part]"),
            ("(FILES - 1 if shared else 0)", "0"),
            ("if x.nbytes > SMALL and room", "if False and room"),
            ("*(array[part] for array in more)", "*(array[: len(x[part])] for array in more)"),
        ],
    ),
    # What takes memory of the size of all images.
    (
        "daa/attack.py",
        "attack/test_storage.py -k few_images",
        [
            ("storage.computed(first, x)", "first(x)"),
            ("storage.computed(start, x, y, x if", "start(x, y, x if"),
            ("found = storage.empty(x.shape)", "found = np.empty_like(x)"),
            (
                'storage.put(adv, worse, memory["best"], worse)',
                'adv[worse] = memory["best"][worse]',
            ),
        ],
    ),
    (
        "daa/restarts.py",
        "attack/test_storage.py -k few_images",
        [
            ("storage.copy(kept.adv if kept else x)", "x.copy()"),
            ("storage.taken(x, unit.images)", "x[unit.images]"),
            (
                "storage.put(self.adv, rows[worse], result.adv, worse)",
                "self.adv[rows[worse]] = result.adv[worse]",
            ),
        ],
    ),
    (
        "daa/target.py",
        "attack/test_storage.py -k few_images",
        [
            ("for part in storage.parts(x):", "for part in [slice(0, len(x))]:"),
        ],
    ),
    (
        "daa/plans.py",
        "attack/test_units.py attack/test_restarts.py attack/test_methods.py",
        [
            # A tie counted as right, after the attack.
            ("= outcome.margin > 0\n", "= outcome.margin >= 0\n"),
            (
                "correct = self.correct_per_restart & (self.natural > 0)",
                "correct = self.correct_per_restart",
            ),
            ("float((self.natural > 0).mean())", "float((self.natural >= 0).mean())"),
            ("np.logical_and.accumulate", "np.logical_or.accumulate"),
            (
                "np.ones((len(self.history), len(self.margin)), bool)",
                "np.zeros((len(self.history), len(self.margin)), bool)",
            ),
            ("+= outcome.gradients\n", "+= 1\n"),
            ("outcome.gradients * len(outcome.margin) for", "outcome.gradients for"),
            ("np.cumsum(spent) / len(self.margin)", "np.array(spent) / len(self.margin)"),
            (
                "float(self.config.gradients_per_image) + self.overhead",
                "float(self.config.gradients_per_image)",
            ),
            (
                "yield Unit(config, seed, restart, target_labels=target_labels)",
                "yield Unit(config, seed, 0, target_labels=target_labels)",
            ),
            (
                "yield Unit(config, seed, restart, target_labels=target_labels)",
                "yield Unit(config, seed, restart)",
            ),
            (
                "images = np.flatnonzero(report.margin > 0)",
                "images = np.arange(len(report.margin))",
            ),
            ("        if not len(images):\n            return\n", ""),
            ("target_labels[images]", "target_labels[: len(images)]"),
            (
                "yield Unit(config, seed, restart, images, target",
                "yield Unit(config, seed, 0, images, target",
            ),
            ("target_labels=labels, overhead=0.5", "target_labels=labels"),
            ("        while len(report.history) == done:\n            report = yield None\n", ""),
        ],
    ),
]
