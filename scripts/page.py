from daa.cli.page import main

raise SystemExit(main())
