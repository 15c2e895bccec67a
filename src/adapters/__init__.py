"""Where the house meets the world: a file or folder per technology, named after it; imports the core and that technology."""
