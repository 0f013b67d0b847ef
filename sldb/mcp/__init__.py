"""A server of the Model Context Protocol: one database for assistants, by `sldb mcp`. docs/mcp.md."""
