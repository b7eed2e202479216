"""What a data set shows of itself: statistics, a card and its pictures. Reads tables, calls no stage."""
