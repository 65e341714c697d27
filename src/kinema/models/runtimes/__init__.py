"""Other runtimes for a recognizer: the graphs that are exported, what opens them, and followers that use them."""
