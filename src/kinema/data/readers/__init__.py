"""Readers of data sets as people keep them, one file a layout; `registry.read_data` recognises which."""
