"""The site: Django pages over the packages below; `kinema serve` starts it. Pages hold no logic of their own."""
