"""`python -m sldb` is the command `sldb`."""

from sldb.cli.main import main

main()
