"""The command line: each command parses its options, calls the room that does the work, and prints the result."""
