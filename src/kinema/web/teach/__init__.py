"""Teach: takes recorded in the browser, a recognizer in seconds, its honest estimate, and the live view with it."""
