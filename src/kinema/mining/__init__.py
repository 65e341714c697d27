"""From action names to reviewed clips: candidates, review, what to review next."""
