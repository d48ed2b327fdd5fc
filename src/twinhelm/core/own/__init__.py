"""What our own process does about itself: its memory, its traces, the programs it starts."""
