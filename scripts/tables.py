from daa.cli.tables import main

raise SystemExit(main())
