from daa.cli.submit import main

raise SystemExit(main())
