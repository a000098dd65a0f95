"""Reading landed files as they are published, whatever state they are in."""
