"""The command line: commands and configs by name, mistakes, help, a quiet start."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daa.cli import main as console
from daa.errors import InputError
from daa.runs import config

COMMANDS = sorted(path.stem for path in Path("scripts").glob("*.py"))


def in_new_process(code, **options):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options)


def test_the_overview_has_a_sentence_for_each_command(capsys):
    for arguments in ([], ["-h"], ["--help"]):
        assert console.main(arguments) == 0
        text = capsys.readouterr().out
        lines = dict(line.split(maxsplit=1) for line in text.splitlines() if line[:2] == "  ")
        assert sorted(lines) == COMMANDS
        for sentence in lines.values():
            assert sentence[0].isupper()
            assert sentence.endswith(".")
            assert len(sentence) < 100
        assert text.splitlines()[-1].startswith("example: daa ")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_an_example(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        console.command(name).main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: daa {name} ")
    assert text.rstrip().splitlines()[-1].startswith(f"example: daa {name}")


@pytest.mark.parametrize("name", ["build", "verify", "merge", "compare", "board"])
def test_help_of_a_part_of_submit_ends_with_an_example(name, capsys):
    with pytest.raises(SystemExit):
        console.command("submit").main([name, "--help"])
    last = capsys.readouterr().out.rstrip().splitlines()[-1]
    assert last.startswith(f"example: daa submit {name}")


@pytest.mark.parametrize("name", ["reproduce", "quickstart", "evaluate", "check_targets"])
def test_targets_are_listed_without_further_arguments(name, capsys, monkeypatch, tmp_path):
    from daa.targets import every_target

    monkeypatch.setenv("DAA_MODELS", str(tmp_path))
    (tmp_path / "locuslab").mkdir()
    (tmp_path / "locuslab" / "wk_mnist.npz").touch()
    with pytest.raises(SystemExit) as stopped:
        console.command(name).main(["--list-targets"])
    assert stopped.value.code == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == every_target()
    found = {line.split()[0]: line.split()[1:4] for line in lines}
    assert found["locuslab/wk_mnist"] == ["0.1", "third-party", "yes"]
    assert found["madry_cifar10/secret"] == ["8/255", "original", "no"]
    assert found["madry_mnist/surrogate"][1:] == ["surrogate", "yes"]


def test_the_version_is_that_of_the_package(capsys):
    import daa

    assert console.main(["--version"]) == 0
    assert capsys.readouterr().out == f"daa {daa.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "daa: expected one of .*benchmark, .*, train, got 'nonsense'"),
        (["reproduce", "none.yaml"], "none.yaml: expected a readable YAML file"),
        (
            ["reproduce", "none"],
            "config: expected a YAML file or one of .*differences, .* got 'none'",
        ),
    ],
)
def test_a_mistake_ends_in_one_line_and_status_2(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr("warnings.showwarning", None)
    assert console.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    with pytest.raises(InputError, match=message):
        raise InputError(error)


def test_an_interrupt_has_status_130(capsys, monkeypatch):
    monkeypatch.setattr("warnings.showwarning", None)

    def interrupted():
        raise KeyboardInterrupt

    assert console.run(interrupted) == 130
    assert capsys.readouterr().err.startswith("interrupted; what is finished is kept")


@pytest.mark.parametrize("command", [["scripts/tables.py"], ["-m", "daa", "tables"]])
def test_an_interrupt_while_modules_are_imported_ends_in_one_line(command, tmp_path):
    """A slow NumPy, which would swallow the interrupt, stands for all imports."""
    (tmp_path / "numpy.py").write_text(
        "import pathlib, time\n"
        f"pathlib.Path({str(tmp_path / 'begun')!r}).touch()\n"
        "try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, *command, "none"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())])},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        while not (tmp_path / "begun").exists():
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=30)[1]
    finally:
        process.kill()
    assert process.returncode == 130
    assert error == f"{console._INTERRUPTED}\n"


@pytest.mark.parametrize(("text", "least"), [("0", 1), ("-1", 0), ("1.5", 0), ("x", 0)])
def test_numbers_are_checked(text, least):
    with pytest.raises(Exception, match=f"expected a whole number >= {least}, got '{text}'"):
        console.whole(text, least)
    assert console.positive("3") == 3


def test_configs_are_found_by_path_or_name(tmp_path, monkeypatch):
    assert console.find_config("quickstart") == config.FOLDER / "quickstart.yaml"
    assert console.find_config("mine.yaml") == Path("mine.yaml")
    monkeypatch.chdir(tmp_path)
    Path("quickstart").write_text("name: own", encoding="utf-8")
    assert console.find_config("quickstart") == Path("quickstart")


def test_commands_run_from_anywhere_as_scripts_and_as_a_module(tmp_path):
    for command in ([console.command("tables").__file__], ["-m", "daa", "tables"]):
        done = subprocess.run(
            [sys.executable, *command, "none"], capture_output=True, text=True, cwd=tmp_path
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "none: expected a result folder, got none\n"


def test_tensorflow_starts_without_a_word():
    code = """
from daa.cli import main as console
console.start_tensorflow()
import os, sys
assert "tensorflow" in sys.modules
os.write(2, b"afterwards")
"""
    unset = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    done = in_new_process(code, env=unset)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "afterwards")


def test_what_the_user_set_stays():
    code = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from daa.cli import main as console
console.start_tensorflow()
print(os.environ["TF_CPP_MIN_LOG_LEVEL"], os.environ["RAY_USAGE_STATS_ENABLED"])
"""
    assert in_new_process(code).stdout == "3 0\n"


def test_a_failed_start_of_tensorflow_is_shown():
    code = """
import os, sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            os.write(2, b"note of native code")
            raise ImportError("no TensorFlow here")
sys.meta_path.insert(0, Broken())
from daa.cli import main as console
console.start_tensorflow()
"""
    done = in_new_process(code)
    assert "note of native code" in done.stderr
    assert "no TensorFlow here" in done.stderr


def test_an_endless_name_is_cut_in_the_middle_of_its_line(capsys):
    assert console.main(["figures", "x" * 5000]) == 2
    error = capsys.readouterr().err
    assert len(error) < 1600
    assert error.startswith("xxx")
    assert error.endswith("got File name too long\n")
