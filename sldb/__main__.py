"""The command `sldb`, as `python -m sldb`."""

from sldb.cli.main import main

main()
