"""What our own process does about itself: memory that it keeps or gives back, its traces."""
