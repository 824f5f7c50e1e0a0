"""Reading: files → Items with a place. `protocol.py` is the contract; every other file is one format or one joint."""
