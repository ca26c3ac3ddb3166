from daa.cli.figures import main

raise SystemExit(main())
