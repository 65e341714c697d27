"""Events and review: a wall of clips, review by keyboard, manifests of what was accepted."""
