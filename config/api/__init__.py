"""What every app's API shares: pages, filters, permissions, limits, exports. Imports no app."""
