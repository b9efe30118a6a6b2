"""The command line `jingtan`."""
