"""Reading what models write: lists, JSON values and scores, tolerant of form and never of doubt."""
