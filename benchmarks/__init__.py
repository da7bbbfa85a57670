"""Side-by-side measurements: this service, what it replaces, its peers, and the floor."""
