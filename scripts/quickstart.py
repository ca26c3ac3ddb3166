"""Attack the embedded digits with every method; a minute, nothing to download."""

from __future__ import annotations

from daa.experiments import console


def main(arguments: list[str] | None = None) -> int | None:
    parser = console.parser(__doc__, "quickstart --restarts 1")
    parser.usage = "daa quickstart [option of daa reproduce ...]"
    _, options = parser.parse_known_args(arguments)
    return console.command("reproduce").main(["quickstart", *options])


if __name__ == "__main__":
    raise SystemExit(console.run(main))
