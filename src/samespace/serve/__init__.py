"""Serving: the command line, the HTTP API and the page. No logic of its own."""
