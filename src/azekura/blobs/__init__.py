"""The content store: bytes by their sha256, visible whole or not at all.

``port`` is what a store promises, ``folder`` the one that keeps blobs as files.
"""
