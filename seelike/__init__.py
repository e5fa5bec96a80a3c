"""What vision networks compute inside, and how alike they are."""
