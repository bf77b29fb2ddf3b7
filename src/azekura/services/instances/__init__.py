"""Use cases around instances: created from images, started, entered, stopped, turned back into images."""
