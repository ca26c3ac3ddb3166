"""Build, verify, merge, compare and rank arrays of adversarial images."""

from __future__ import annotations

from daa.cli import main as console

if __name__ == "__main__":  # before all else is imported, so that an interrupt ends in one line
    raise SystemExit(console.script(__file__))

import argparse
from pathlib import Path

from daa.leaderboard import boards, submission


def main(arguments: list[str] | None = None) -> None:
    parser = console.parser(__doc__, "submit build results/quickstart -o attack.npy")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    own = f"--target {boards.TARGETS[0]}"
    build = command(commands, "build results/quickstart -o attack.npy", "make an array of runs")
    build.add_argument("results", nargs="+", type=Path, metavar="RESULT", help="record or folder")
    verify = command(commands, f"verify attack.npy {own}", "check an array as the challenge does")
    verify.add_argument("array", type=Path)
    verify.add_argument("--pred", type=Path, help="default: pred.npy beside the array")
    merge = command(
        commands, f"merge a.npy b.npy -o c.npy {own}", "take the strongest version of each image"
    )
    merge.add_argument("arrays", nargs="+", type=Path)
    compare = command(commands, f"compare a.npy b.npy {own}", "say which images two arrays break")
    compare.add_argument("arrays", nargs=2, type=Path)
    compare.add_argument("--picture", type=Path, help="default: compare.png beside the first array")
    entry = f'{own} --name "My attack" --by "A. Name" --method "20 restarts"'
    board = command(
        commands, f"board attack.npy {entry}", "print the boards, rank an array, enter it"
    )
    board.add_argument("array", nargs="?", type=Path)
    board.add_argument("--target", choices=[*boards.TARGETS, *(b.target for b in boards.load())])
    board.add_argument("--name", help="of the attack; the array is entered on the living board")
    board.add_argument("--by", help="who made the array")
    board.add_argument("--method", help="how the images were found, in one line")
    board.add_argument("--url", help="https address of a paper, of code or of the array")
    board.add_argument("--board", type=Path, default=boards.FOLDER, help="default: results/board")
    for sub in (build, merge):
        sub.add_argument("-o", "--out", type=Path, required=True, help="the .npy file")
    for sub in (verify, merge, compare):
        sub.add_argument("--target", required=True, help="as madry_mnist/secret")
        sub.add_argument("--images", type=console.positive, help="only the first IMAGES")
        sub.add_argument("--eps", type=float, help="in [0, 1]; default: the challenge's")
    args = parser.parse_args(arguments)
    console.start_tensorflow()
    print(run(args))


def command(
    commands: argparse._SubParsersAction, example: str, text: str
) -> argparse.ArgumentParser:
    """Adds a command whose name is the first word of its example."""
    sub = commands.add_parser(
        example.split()[0], help=text, description=text, **console.ending(f"submit {example}")
    )
    console.add_folders(sub)
    return sub


def run(args: argparse.Namespace) -> str:
    """Runs a command; returns what it has to tell."""
    folders = {"data_dir": args.data_dir, "model_dir": args.model_dir}
    if args.command == "build":
        return submission.build(args.results, args.out, **folders)
    if args.command == "board":
        words = {key: getattr(args, key) for key in ("name", "by", "method", "url")}
        return boards.board(args.array, args.target, words=words, folder=args.board, **folders)
    about = submission.load_challenge(args.target, images=args.images, eps=args.eps, **folders)
    if args.command == "verify":
        return submission.verify(about, args.array, args.pred)
    if args.command == "merge":
        return submission.merge(about, args.arrays, args.out)
    return submission.compare(about, args.arrays, args.picture)
