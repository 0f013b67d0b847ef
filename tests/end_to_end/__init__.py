"""A package, so that pytest ends the fixtures of scope `package` with its last test."""
