"""What every app's API shares: pages, filters, permissions, errors, streams. Imports no app."""
