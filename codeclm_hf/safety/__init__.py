"""What must not be released: secrets and personal data in texts."""
