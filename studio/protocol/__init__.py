"""What the studio and the platform say to each other: messages and signatures. Pure."""
