"""The least that the parts themselves cost, with nothing of this service in between."""
