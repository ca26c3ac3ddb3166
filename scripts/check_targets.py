from daa.cli.check_targets import main

raise SystemExit(main())
