"""The command line: each command parses its options, calls the room that does the work, and prints what came.

A command imports the rooms that it uses when it runs. All of them together take seconds to import
(`datasets`, `transformers`, `polars`, …), and neither a help text nor a command that needs one room should
wait for the others. So the modules of the commands begin with light imports alone: typer, rich, the options,
the defaults. `display`, `evaluate_display` and `hub_display` import what they show, and commands import them.
"""
