"""Template tags of the data pages."""
