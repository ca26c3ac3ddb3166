"""YAML files within bounds: whatever a file holds, reading it takes seconds and ends in a line."""

import os
import time

import pytest

from daa.errors import InputError
from daa.leaderboard import boards
from daa.runs import config, documents

BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 12)
)


def read(tmp_path, text):
    path = tmp_path / "given.yaml"
    path.write_text(text, encoding="utf-8")
    begin = time.perf_counter()
    try:
        return documents.read(path)
    finally:
        assert time.perf_counter() - begin < 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "expected at most 50,000 values, aliases included, got more"),
        ("a: &a [*a]", "line 1: expected no value that holds itself, got one"),
        ("[" * 4000 + "]" * 4000, "line 1: expected at most 50 levels, got more"),
        ("".join(" " * k + "- a:\n" for k in range(0, 400, 2)), "expected at most 50 levels"),
        ("a: 1" + "0" * 5000, "line 1: expected a number of at most 64 characters, got '10000"),
        ("a: 0x" + "f" * 5000, "expected a number of at most 64 characters, got '0xfff"),
        ("a: 1" + ":59" * 5000, "expected a number of at most 64 characters, got '1:59"),
        ("\n!!int abc", "line 2: expected int, got 'abc'"),
        ("!!float abc", "line 1: expected float, got 'abc'"),
        ("!!bool abc", "line 1: expected bool, got 'abc'"),
        ("!!int ''", "line 1: expected int, got ''"),
        ("!!int {=: abc}", "line 1: expected int, got a mapping or a list"),
        ("!!timestamp abc", "line 1: expected timestamp, got 'abc'"),
        ("!!timestamp 2026-02-30", "line 1: expected timestamp, got '2026-02-30'"),
        ("!!binary é", "expected YAML, got .*base64"),
        ("!!python/object/apply:os.system [ls]", "expected YAML, got could not determine a con"),
        ("? [a]\n: b", "expected YAML, got while constructing a mapping"),
        ("a: 1\na: 2", "line 2: expected each key once, got 'a' again"),
        ("a: \x01", "expected YAML, got unacceptable character"),
        ("a: b\n--- c", "expected YAML, got expected a single document"),
        ("a: '" + "x" * 2**18 + "'", "a readable YAML file of at most 262,144 bytes, got 262149"),
    ],
)
def test_what_is_out_of_bounds_is_refused_in_one_line(text, message, tmp_path):
    with pytest.raises(InputError, match=f"given.yaml: .*{message}") as error:
        read(tmp_path, text)
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 500


def test_dates_are_texts_and_the_rest_is_as_in_yaml(tmp_path):
    text = "title: 2026-02-30\na: &a {x: 1, y: 0x1f, z: .5}\nb: {<<: *a, x: yes}\nc: [*a, ~]"
    assert read(tmp_path, text) == {
        "title": "2026-02-30",
        "a": {"x": 1, "y": 31, "z": 0.5},
        "b": {"x": True, "y": 31, "z": 0.5},
        "c": [{"x": 1, "y": 31, "z": 0.5}, None],
    }
    assert read(tmp_path, "") is None
    assert boards.load()[0].source.endswith(tuple("0123456789"))


def test_a_named_pipe_a_device_and_a_folder_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(InputError, match="expected a readable YAML file, got a pipe or a device"):
        documents.read(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(InputError, match="expected a readable YAML file, got a folder"):
        config.load(tmp_path / "folder.yaml")
