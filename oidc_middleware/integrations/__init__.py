"""Small conveniences for other people's libraries, one file each; each file alone imports its library."""
