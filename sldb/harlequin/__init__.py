"""The adapter of Harlequin, the SQL IDE for terminals: `harlequin -a sldb TARGET`. docs/python.md."""
