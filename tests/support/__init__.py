"""What tests share: stand-in servers, worlds whose truth is known, processes, and tables."""
