"""The program `daa`: help, errors in one line, exit codes."""

import errno
import os
import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from unittest.mock import Mock

import pytest
from processes import ROOT, python

import daa
from daa.cli import options
from daa.cli.main import COMMANDS, command, main
from daa.errors import InputError
from daa.runs import config


def test_the_help_lists_all_commands(capsys):
    for arguments in ([], ["-h"], ["--help"]):
        assert main(arguments) == 0
        text = capsys.readouterr().out
        lines = [line.split(maxsplit=1) for line in text.splitlines()]
        listed = {line[0]: line[1] for line in lines if len(line) == 2 and line[0] in COMMANDS}
        assert listed == {name: text for name, (_, text) in COMMANDS.items()}
        assert text.rstrip().splitlines()[-1] == "example: daa quickstart"
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"daa {daa.__version__}\n"


def test_commands_load_triton_then_tensorflow_then_keras_for_tensorflow(tmp_path):
    """Triton after TensorFlow aborts the process; PyTorch brings it."""
    folder = tmp_path / "triton" / "_C"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "libtriton.py").write_text("import sys\nprint('tensorflow' in sys.modules)\n")
    code = "from daa.cli.options import start_tensorflow as start; start(); import keras"
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"
    done = python("-c", f"{code}; print(keras.backend.backend())", env={"KERAS_BACKEND": "jax"})
    assert done.stdout == "False\ntensorflow\n"


def test_every_command_has_a_thin_script():
    scripts = {path.stem: path.read_text() for path in (ROOT / "scripts").glob("*.py")}
    assert set(scripts) == set(COMMANDS)
    assert max(len(text.splitlines()) for text in scripts.values()) <= 5


def test_the_help_imports_no_command():
    code = "import sys; from daa.cli.main import main; main(['--help']); print(*sys.modules)"
    loaded = set(python("-c", code, check=True).stdout.split())
    assert not loaded & {"pydantic", "tensorflow", *(m for m, _ in COMMANDS.values())}


PARTS = [f"submit {part}" for part in ("build", "verify", "merge", "compare", "board")]


@pytest.mark.parametrize("name", [*COMMANDS, *PARTS])
def test_the_help_of_a_command_ends_with_an_example(name, capsys):
    assert main([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: daa {name} ")
    assert text.rstrip().splitlines()[-1].startswith(f"example: daa {name}")


@pytest.mark.parametrize("name", ["reproduce", "quickstart", "evaluate", "check_targets"])
def test_the_list_of_targets_needs_no_other_argument(name, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("DAA_MODELS", str(tmp_path))
    (tmp_path / "locuslab").mkdir()
    (tmp_path / "locuslab" / "wk_mnist.npz").touch()
    assert main([name, "--list-targets"]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == daa.targets.every_target()
    cells = [line.split()[:4] for line in lines]
    assert ["locuslab/wk_mnist", "0.1", "third-party", "yes"] in cells
    assert ["madry_cifar10/secret", "8/255", "original", "no"] in cells


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nonsense", "daa: no command 'nonsense'; the commands are ablation, benchmark"),
        ("evalute", "daa: no command 'evalute'; did you mean evaluate?"),
        ("reproduce tabel1", "config: .* got 'tabel1'; did you mean table1?"),
        ("reproduce table1 --minuts 3", "daa reproduce: .*; did you mean minutes?"),
        ("evaluate m --budgte=3", "daa evaluate: .*: --budgte=3; did you mean budget?"),
        ("evaluate m --method pgdd", "daa evaluate: .*; did you mean pgd?"),
        ("evaluate m --depth 2", "daa evaluate: .* --depth 2; daa evaluate --help lists"),
        ("evaluate", "daa evaluate: the following arguments are required: MODEL; daa evaluate -"),
        ("submit bild", "daa submit: .*invalid choice: 'bild' .*; did you mean build?"),
        ("submit verify a --target b --eps x", "daa submit verify: .*--eps: "),
        ("evaluate m --images 0", ".* --images: must be an integer of at least 1, got '0'"),
        ("evaluate m --seed -1", ".* --seed: must be an integer of at least 0, got '-1'"),
        ("evaluate m --seed 1.5", ".* --seed: must be an integer of at least 0, got '1.5'"),
        ("evaluate m --seed x", ".* --seed: must be an integer of at least 0, got 'x'"),
        ("reproduce none", "config: must be a YAML file or one of "),
        ("reproduce quickstart --address a:1", "--address a:1: only --engine ray uses"),
        ("fetch", "fetch: no names; `daa fetch --list` prints them"),
        ("benchmark --keep-autoattack", "--keep-autoattack: needs --peers autoattack"),
        ("benchmark --peers autoattack", "--peers: needs --target"),
    ],
)
def test_a_wrong_argument_is_one_line(arguments, message, refused):
    assert re.match(message.replace("?", r"\?"), refused(*arguments.split()))


def test_an_installed_package_has_no_benchmarks(refused, monkeypatch, tmp_path):
    monkeypatch.setattr(daa, "__file__", str(tmp_path / "site-packages" / "daa" / "__init__.py"))
    assert "run `python scripts/benchmark.py` in a checkout" in refused("benchmark")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("a:\n  no b,\tbut c"), "a: no b, but c"),
        (FileNotFoundError(errno.ENOENT, "No such file", "data/x"), "data/x: No such file"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "OSError: Cannot allocate memory"),
        (ConnectionResetError("gone"), "ConnectionResetError: gone"),
        (MemoryError(), "not enough memory; attack fewer images, for example with --images 1000"),
        (zipfile.BadZipFile("not a zip file"), "BadZipFile: not a zip file"),
        (EOFError("no data left"), "EOFError: no data left"),
        (InputError("x" * 5000 + "end"), f"{'x' * 750} ... {'x' * 747}end"),
    ],
)
def test_an_error_of_the_user_is_one_line_and_exit_code_2(error, line, capsys):
    assert command(Mock(side_effect=error))([]) == 2
    assert capsys.readouterr() == ("", f"{line}\n")


def test_a_mistake_of_the_program_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        command(lambda arguments: 1 // 0)([])


def test_warnings_are_one_line_and_the_hook_is_restored(capsys):
    before = warnings.showwarning
    assert command(lambda arguments: warnings.warn("odd", stacklevel=1))([]) == 0
    assert capsys.readouterr().err == "warning: odd\n"
    assert warnings.showwarning is before


def test_an_interrupt_has_exit_code_130(capsys):
    assert command(Mock(side_effect=KeyboardInterrupt))([]) == 130
    assert capsys.readouterr().err.startswith("interrupted; the same command continues")


def test_a_closed_pipe_has_exit_code_141():
    code = "from daa.cli.main import command; import sys\n"
    code += "sys.exit(command(lambda _: print('line\\n' * 100_000))())"
    script = f'set -o pipefail; "{sys.executable}" -c "$0" | head -1'
    done = subprocess.run(["bash", "-c", script, code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (141, "line\n", "")


def test_commands_run_in_any_folder(tmp_path):
    for start in ([ROOT / "scripts" / "tables.py"], ["-m", "daa", "tables"]):
        done = python(*start, "none", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(r"none: .*\n", done.stderr)


def test_configs_have_a_path_or_a_name(tmp_path, monkeypatch):
    assert options.find_config("quickstart") == config.FOLDER / "quickstart.yaml"
    assert options.find_config("mine.yaml") == Path("mine.yaml")
    monkeypatch.chdir(tmp_path)
    Path("quickstart").touch()
    assert options.find_config("quickstart") == Path("quickstart")


def test_the_environment_of_the_user_stays(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    options.start_tensorflow()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "1"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
