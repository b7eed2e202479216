"""The templates of the data set's card and of the metric's."""
