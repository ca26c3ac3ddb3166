"""Attack 500 MNIST digits with PGD and DAA; a minute, nothing to download."""

from __future__ import annotations

from daa.cli import main as console

if __name__ == "__main__":  # before all else is imported, so that an interrupt ends in one line
    raise SystemExit(console.script(__file__))

from daa.cli import quickstart


def main(arguments: list[str] | None = None) -> None:
    parser = console.parser(__doc__, "quickstart --images 100")
    parser.set_defaults(config="quickstart")
    reproduce = console.command("reproduce")
    reproduce.add_options(parser)
    ready, text = reproduce.reproduce(parser.parse_args(arguments))
    print(quickstart.finish(ready.folder) or text)
