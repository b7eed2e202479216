"""What a data set shows of itself: its statistics, its card and the pictures on it. Reads tables, calls no stage."""
