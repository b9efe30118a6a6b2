"""The rulebook as tables: every test cites the rule or article it shows."""
