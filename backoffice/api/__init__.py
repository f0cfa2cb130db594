"""The API for staff and programs, and its tokens."""
