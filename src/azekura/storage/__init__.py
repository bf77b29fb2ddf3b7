"""Root file systems of instances: overlay (default), btrfs, dir."""
