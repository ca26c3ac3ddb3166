"""The command line as `python -m daa NAME`."""

from daa.cli.main import main

raise SystemExit(main())
