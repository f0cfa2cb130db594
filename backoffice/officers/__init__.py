"""Officers: identity, screening, suspicion, harm, exclusion, requests about data."""
