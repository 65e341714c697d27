"""What all pages share: look, login, errors in words, files with ranges."""
