"""Where prices come from: files of vendors, and a seeded synthetic market."""
