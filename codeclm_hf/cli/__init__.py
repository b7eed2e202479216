"""The command line: each command parses its options, calls the room that does the work, and prints the result.

A command imports those rooms when it runs. All of them together take seconds to import (`datasets`, `transformers`,
`polars`, …), and a help text, or a command that needs one room, should not wait for the others. So what the modules
of the commands import at their beginning is light: typer, rich, the options and the defaults.
"""
