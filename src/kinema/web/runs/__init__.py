"""Runs: table and comparison, one run with the clips behind its numbers, trainings started, watched and cancelled."""
