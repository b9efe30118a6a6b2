"""The shapes of what the API answers: for the documentation, and for tests of every payload.

Replies are built as plain dictionaries (api/payloads.py) and encoded once; these models describe
them in OpenAPI through each route's response_model, and tests hold every real payload against
them.  Nothing validates a reply while it is served.
"""
