"""What a data set shows of itself. Reads tables, never calls a stage."""
