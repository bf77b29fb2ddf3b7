"""The `lxc` command: one small module per command, imported on use."""
