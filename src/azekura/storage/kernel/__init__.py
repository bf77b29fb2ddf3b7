"""What the storage drivers need of Linux and Python's ``os`` doesn't offer. These modules raise ``OSError``."""
