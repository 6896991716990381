"""What `asv publish` needs beyond asv itself."""
