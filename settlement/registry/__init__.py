"""The embedded registry: serial blocks of units, their holders and status, every transfer.

A service of its own in all but the process: own schema, reached through RegistryPort alone.
"""
