"""twinhelm: one open platform that runs machines and models side by side."""
