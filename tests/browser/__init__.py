"""The pages as people meet them: Chromium against real servers, on a table the test drives."""
