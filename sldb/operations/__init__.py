"""Operations beside SQL as commands and the shell share them, without a terminal: calls, tables and sentences."""
