from daa.cli.quickstart import main

raise SystemExit(main())
