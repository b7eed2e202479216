"""A data set in the formats that trainers read, and the part of it that is held out."""
