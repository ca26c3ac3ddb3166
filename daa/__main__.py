"""The command line as `python -m daa NAME`."""

from daa.experiments.console import main

raise SystemExit(main())
