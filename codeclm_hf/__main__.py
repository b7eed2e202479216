"""`python -m codeclm_hf` is the command line."""

from codeclm_hf.cli.main import main

main()
