"""Data in a browser: browse manifests, check, split, import, upload."""
