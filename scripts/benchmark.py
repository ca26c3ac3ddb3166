import sys

from daa.cli.main import main

raise SystemExit(main(["benchmark", *sys.argv[1:]]))
