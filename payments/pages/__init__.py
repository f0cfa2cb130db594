"""The cashier's pages and API."""
