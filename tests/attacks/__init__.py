"""Seeded attacks: hostile input is made by the thousand, and counted by how it ends (`nox -s attack -- configs`)."""
