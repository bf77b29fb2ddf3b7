"""What an image file is: magic numbers, compression, metadata.yaml, tar and squashfs, read safely and written alike.

Everything here is told bytes by strangers and runs as root. Hence one parser, one decision: archives are read once,
as a stream, in bounded memory, into entries that rules have passed, and only such entries are ever written.
"""
