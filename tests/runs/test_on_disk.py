"""Experiments whose images do not fit into memory: the same results, also after a kill."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import bounded
import numpy as np
import pytest
import survive

from daa import memory
from daa.attacks.attack import Attack
from daa.attacks.methods import AttackConfig
from daa.attacks.plans import Outcome, Report
from daa.errors import InputError
from daa.runs import run, setup, state
from daa.runs.state import State

CONFIG = """
name: tiny
title: Tiny
target: tiny/cnn
restarts: 2
images: 90
attack: {eps: 0.15, step_size: 0.03, steps: 6, batch_size: 40, steps_per_shuffle: 3}
rows:
  - {method: rand_fgsm}
  - {method: blob, targeted: least_likely}
  - {method: pgd, momentum: 0.5, keep: best, restarts: standing}
examples: [blob-xent, rand_fgsm-xent]
"""
NAMES = ("rand_fgsm-xent", "blob-xent", "pgd-xent")
# What is computed at once is the same in memory and on disk.
PARTS = "\nfrom daa import memory\nmemory.PART = 20 * 256"
LITTLE = f"{PARTS}\nmemory.SMALL, memory.available = 1000, lambda: 0"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def parts(monkeypatch):
    monkeypatch.setattr(memory, "PART", 20 * 256)


@pytest.fixture
def little(monkeypatch):
    """No memory for an array of more than three images."""
    monkeypatch.setattr(memory, "SMALL", 1000)
    monkeypatch.setattr(memory, "available", lambda: 0)


def go(config, out):
    ready = setup.prepare(config, out)
    ready = replace(ready, data=replace(ready.data, x=memory.copy(ready.data.x)))
    run.reproduce(ready, progress=False, say=lambda text: None)
    return ready.folder


def test_results_are_those_in_memory_also_after_an_interrupt(
    config, tmp_path, monkeypatch, request
):
    expected = go(config, tmp_path / "memory")
    request.getfixturevalue("little")
    call, seen = Attack.__call__, []

    def interrupted(self, x, *args, **options):
        seen.append(isinstance(x.base, np.memmap))
        if len(seen) in (2, 4):
            raise KeyboardInterrupt
        return call(self, x, *args, **options)

    monkeypatch.setattr(Attack, "__call__", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            go(config, tmp_path / "disk")
    found = go(config, tmp_path / "disk")
    assert len(seen) == 2 * len(NAMES) + 2
    assert all(seen)
    survive.compare(expected, found)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_leaves_nothing_behind(config, tmp_path):
    config.write_text(survive.CONFIG.replace("steps: 100", "steps: 10"), encoding="utf-8")
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def start(code, out):
        script = Path(run.__file__).parents[2] / "scripts"
        code = f"import sys; sys.path.insert(0, {str(script)!r}){code}\nimport reproduce"
        arguments = [str(config), "--images", "200", "--out", str(tmp_path / out)]
        return subprocess.Popen(
            [sys.executable, "-c", f"{code}; sys.exit(reproduce.main({arguments!r}))"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(temporary)},
        )

    process = start(LITTLE, "killed")
    kept = tmp_path / "killed" / "survivor" / "momentum-cw.npz"
    try:
        while not kept.exists():
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert not list(temporary.iterdir())
    assert start(LITTLE, "killed").wait() == start(PARTS, "whole").wait() == 0
    survive.compare(tmp_path / "whole" / "survivor", tmp_path / "killed" / "survivor")
    assert not list(temporary.iterdir())


def test_a_disk_that_will_be_full_is_named_before_the_first_attack(config, tmp_path, monkeypatch):
    """Three runs and the file that one of them replaces: four times 90 images."""
    usage = type("Usage", (), {"free": 4 * 90 * 256 - 1})
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(Attack, "__call__", lambda *_, **__: pytest.fail("it attacks"))
    with pytest.raises(InputError, match=r"tiny: 90 images need more disk space; 89 images fit"):
        go(config, tmp_path / "out")


def test_a_state_larger_than_a_part_is_checked_to_its_end(tmp_path, little):
    ident = {"attack": AttackConfig("pgd").settings(), "images": 90, "restarts": 1}
    margin = np.zeros(90, np.float32)
    for value, expected in ((np.nan, "numbers, got nan"), (np.inf, "finite numbers, got inf")):
        adv = np.zeros((90, 8, 8, 1), np.float32)
        adv[88, 0, 0, 0] = value
        report = Report(adv, margin, margin, (Outcome(None, margin, 1.0),))
        state.save(tmp_path / "a.npz", ident, State(report))
        with pytest.raises(InputError, match=f"a.npz: adv: expected {expected}"):
            state.load(tmp_path / "a.npz", ident)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images():
    """The peak of whole processes on images of ImageNet's size; all else takes far more time."""
    less, more = (bounded.peak(images, part=1 << 26) for images in (100, 200))
    assert more - less < 0.3 * 100 * 299 * 299 * 3 * 4
