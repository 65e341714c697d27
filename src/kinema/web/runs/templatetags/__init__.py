"""How numbers of runs read on a page."""
