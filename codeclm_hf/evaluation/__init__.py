"""Whether the data set helped: a candidate against a reference, as a judge sees them (§5.3)."""
