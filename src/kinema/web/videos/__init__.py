"""Videos: uploads that can be resumed, what a recognizer says of them, the player with its timeline."""
