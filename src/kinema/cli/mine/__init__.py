"""`kinema mine …`: from action names to images, an image classifier, candidate clips and reviewed clips; one file a verb."""

# Importing a verb's file puts it on the command; help lists them in this order.
from kinema.cli.mine import images, videos, classifier, clips, review, next_  # noqa: F401, I001
from kinema.cli.mine.app import app

__all__ = ["app"]
