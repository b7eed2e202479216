"""What a run's tables say. Reads tables, never calls a stage."""
