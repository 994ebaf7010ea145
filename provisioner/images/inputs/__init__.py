"""What releases were made from: gathered into images, found in them again, carried in a file."""
