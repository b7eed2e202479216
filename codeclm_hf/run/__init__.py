"""A run directory from seeds to tables: what a run starts from, the stages in order, and what it writes."""
