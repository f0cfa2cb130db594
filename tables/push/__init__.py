"""What a table's page hears over its socket, and what it may say."""
