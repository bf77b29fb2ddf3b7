"""What an image file is, and how to read and write it safely."""
