"""Speed and memory of recording, anatomy and probing."""
